"""The report as one HTML page that needs no network, rendered from ``templates/``."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from dataclasses import asdict, dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.title import set_title
from sysnoise.pipelines.report.evaluation import Evaluation, evaluation_sections
from sysnoise.pipelines.report.gallery import CROP_SIDE, Gallery
from sysnoise.pipelines.report.set_sections import set_sections
from sysnoise.pipelines.scoring.blocks import CHANCE_MARK
from sysnoise.pipelines.scoring.totals import SetTotals
from sysnoise.transforms.documents import GridDocument


@dataclass(frozen=True)
class Report:
    """What the page shows.

    Attributes:
        found: the set.
        totals: what its tables add up to.
        gallery: crops; None where no image is available, or no sample was accepted.
        evaluation: the predictions of models; None where there are none.
    """

    found: FinishedSet
    totals: SetTotals
    gallery: Gallery | None
    evaluation: Evaluation | None


def render_page(report: Report) -> str:
    """Return the page; the same report gives the same text."""
    script = f"\n{_asset('page.js')}"
    of_models = evaluation_sections(report.evaluation) if report.evaluation else ()
    of_set = set_sections(report.found, report.totals, report.gallery)
    return (
        template_environment()
        .get_template("page.html")
        .render(
            title=set_title(report.found.manifest),
            style=Markup(_asset("page.css")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
            facts=_facts(report.found),
            sections=[*of_models, *of_set],
            crop_side=CROP_SIDE,
            chance_mark=CHANCE_MARK,
        )
    )


def template_environment() -> Environment:
    """Return the environment of the templates: it escapes every text, and refuses unknown names."""
    environment = Environment(
        loader=PackageLoader("sysnoise.pipelines.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["breakable"] = breakable
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "default": asdict}
    return environment


def breakable(text: str) -> Markup:
    """Return a text that can break after ``/`` and before ``+``; after ``-`` browsers break it."""
    return escape(text).replace("/", Markup("/<wbr>")).replace("+", Markup("<wbr>+"))


def _asset(name: str) -> str:
    return (importlib.resources.files("sysnoise.pipelines.report") / name).read_text("utf-8")


def _facts(found: FinishedSet) -> dict[str, str]:
    counts, grid = found.manifest["counts"], found.manifest["grid"]
    return {
        "samples": f"{counts['samples']:,}",
        "variants": f"{counts['variants']:,}",
        "rejects": f"{counts['rejects']:,}",
        "shards": f"{counts['shards']:,}",
        "size": f"{counts['bytes'] / 1e6:,.1f} MB",
        "grid": grid["name"],
        "geometry": ", ".join(f"{name} {value}" for name, value in grid["geometry"].items()),
        **_other_geometries(grid),
        **({"orient": grid["orient"]} if "orient" in grid else {}),
        "baseline": found.baseline,
    }


def _other_geometries(grid: GridDocument) -> dict[str, str]:
    """Return the geometries besides the first, by their names."""
    return {
        f"geometry {each['name']}": ", ".join(
            f"{name} {value}" for name, value in each.items() if name != "name"
        )
        for each in grid.get("geometries", ())[1:]
    }
