"""`python -m schedules`: the clock process of the Procfile."""

import sys

from schedules.clock import main

sys.exit(main())
