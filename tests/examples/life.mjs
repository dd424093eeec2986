// A producer in Node without packages: enqueues commands with HSET + RPUSH, reads the answers from tenure:events.
// node life.mjs <redis url> <hostname> <type> [field=value ...]   prints the answer's data as JSON
import net from "node:net";
import { randomUUID } from "node:crypto";

const [url, host, type, ...fields] = process.argv.slice(2);
const { hostname, port, password } = new URL(url);
const socket = net.connect(Number(port), hostname);
const waiting = [];
let buffered = Buffer.alloc(0);

socket.on("data", (chunk) => {
  buffered = Buffer.concat([buffered, chunk]);
  for (let reply; waiting.length && (reply = parse(0)); ) {
    buffered = buffered.subarray(reply.end);
    const { resolve, reject } = waiting.shift();
    reply.value instanceof Error ? reject(reply.value) : resolve(reply.value);
  }
});

// One RESP2 value from `at`, or undefined while it is not all there.
function parse(at) {
  const line = buffered.indexOf("\r\n", at);
  if (line < 0) return undefined;
  const head = buffered.toString("utf8", at + 1, line);
  const next = line + 2;
  switch (String.fromCharCode(buffered[at])) {
    case "+": return { value: head, end: next };
    case "-": return { value: new Error(head), end: next };
    case ":": return { value: Number(head), end: next };
    case "$": {
      if (head === "-1") return { value: null, end: next };
      const end = next + Number(head);
      return buffered.length < end + 2 ? undefined : { value: buffered.toString("utf8", next, end), end: end + 2 };
    }
    case "*": {
      if (head === "-1") return { value: null, end: next };
      const items = [];
      let end = next;
      for (let left = Number(head); left > 0; left--) {
        const item = parse(end);
        if (!item) return undefined;
        items.push(item.value);
        end = item.end;
      }
      return { value: items, end };
    }
  }
  throw new Error(`not RESP: ${head}`);
}

function call(...words) {
  const bulk = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join("");
  socket.write(`*${words.length}\r\n${bulk}`);
  return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
}

function valueOf(text) {
  return /^\d+$/.test(text) ? Number(text) : text;
}

if (password) await call("AUTH", decodeURIComponent(password));
const [last] = await call("XREVRANGE", "tenure:events", "+", "-", "COUNT", 1);
let from = last ? last[0] : "0";

const id = randomUUID();
const envelope = {
  specversion: "1.0",
  source: "node-shop",
  id,
  type: `site.${type}`,
  subject: host,
  data: Object.fromEntries(fields.map((field) => field.split("=")).map(([name, value]) => [name, valueOf(value)])),
};
const key = randomUUID();
const message = {
  queue_name: "lifecycle",
  actor_name: "command",
  args: [envelope],
  kwargs: {},
  options: { redis_message_id: key },
  message_id: randomUUID(),
  message_timestamp: Date.now(),
};
await call("MULTI");
await call("HSET", "dramatiq:lifecycle.msgs", key, JSON.stringify(message));
await call("RPUSH", "dramatiq:lifecycle", key);
await call("EXEC");

for (let answered = false; !answered; ) {
  const found = await call("XREAD", "BLOCK", 1000, "STREAMS", "tenure:events", from);
  for (const [entry, [, body]] of found ? found[0][1] : []) {
    from = entry;
    const event = JSON.parse(body);
    if (event.type === "command.answered" && event.causationid === id) {
      console.log(JSON.stringify(event.data));
      answered = true;
    }
  }
}
socket.end();
