"""The names of labels, as Parquet shards tell them to Hugging Face ``datasets``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sysnoise.manifests.plan import ClassInfo


def label_names(classes: Sequence[ClassInfo]) -> tuple[str, ...]:
    """Return the name of each label; none unless each class has one of its own.

    A class without a name is called by its WordNet id. Where classes have the same name, as both
    cranes of ImageNet, theirs follow the name in parentheses: a ``ClassLabel`` of ``datasets``
    takes no name twice.

    Args:
        classes: the classes in label order.

    Example:
        >>> label_names([ClassInfo("n02012849", "crane"), ClassInfo("n03126707", "crane")])
        ('crane (n02012849)', 'crane (n03126707)')
    """
    names = [each.name or each.wnid for each in classes]
    counts = Counter(names)
    unique = tuple(
        f"{name} ({each.wnid})" if counts[name] > 1 and each.wnid else str(name)
        for name, each in zip(names, classes, strict=True)
    )
    return unique if all(names) and len(set(unique)) == len(unique) else ()
