"""What rolls up a tree of organisations is everything once at each level."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared.federation import roll_up

Tree = dict[str, str | None]


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Up to 12 organisations, each on top or below one that was registered before it."""
    tree: Tree = {}
    for number in range(draw(st.integers(1, 12))):
        tree[f"o{number}"] = draw(st.sampled_from([None, *tree]))
    return tree


FIGURES = st.dictionaries(st.sampled_from(["promised", "received", "disbursed"]), st.integers(0, 10**15))


@given(trees(), st.data())
def test_each_has_its_own_and_all_below_it(tree: Tree, data: st.DataObject) -> None:
    own = data.draw(st.dictionaries(st.sampled_from(sorted(tree)), FIGURES))
    total = roll_up(tree, own)
    for organisation in tree:
        below = [total[each] for each, parent in tree.items() if parent == organisation]
        assert total[organisation] == sum(below, Counter(own.get(organisation, {})) + Counter()) or not any(
            total[organisation].values()
        )
    tops = [total[each] for each, parent in tree.items() if parent is None]
    for name in ("promised", "received", "disbursed"):
        assert sum(each[name] for each in tops) == sum(each.get(name, 0) for each in own.values())


def test_what_is_below_an_unknown_one_stands_for_itself() -> None:
    own = {"gusu": {"received": 5}, "nobody": {"received": 7}}
    assert roll_up({"gusu": "suzhou"}, own) == {"gusu": Counter(received=5)}


def test_a_circle_ends() -> None:
    assert set(roll_up({"a": "b", "b": "a"}, {"a": {"received": 1}})) == {"a", "b"}
