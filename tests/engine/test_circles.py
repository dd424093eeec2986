"""No module imports itself through others: whoever reads one file need not know the one that called it."""

import grimp

FLOORS = ("engine", "models", "workers", "schedules")


def in_circles(imports):
    """Modules that import each other in a circle, or that import such: what is left when the leaves are taken away."""
    left = dict(imports)
    while leaves := [module for module, imported in left.items() if not left.keys() & imported]:
        for leaf in leaves:
            del left[leaf]
    return set(left)


def test_no_module_imports_itself_through_others_not_even_for_its_types():
    graph = grimp.build_graph(*FLOORS, cache_dir=None, exclude_type_checking_imports=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 200
    assert in_circles(imports) == set()


def test_a_circle_is_found_however_long_it_is():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"d"}}
    assert in_circles(imports) == {"a", "b", "c"}
