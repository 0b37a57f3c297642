"""Passwords and signatures of URLs reach no message, log, file or argument of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.commands import Outcome, command
from tests.end_to_end.disturbed import generating, wait_for
from tests.servers import Fault, Server, http_server

PASSWORD, SIGNATURE = "hunter2", "5160ca7"


@pytest.fixture
def served(imagenet_source: Path) -> Iterator[Server]:
    """The photographs on the web."""
    with http_server(imagenet_source) as server:
        yield server


def with_password(server: Server, path: str) -> str:
    return f"{server.url.replace('://', f'://ann:{PASSWORD}@')}/{path}"


def assert_tight(done: Outcome, *folders: Path) -> None:
    texts = [done.out, done.error]
    for folder in folders:
        texts += [
            path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()
        ]
    for text in texts:
        assert PASSWORD not in text
        assert SIGNATURE not in text


def test_a_set_made_from_a_url_with_a_password_has_none(
    served: Server, imagenet_source: Path, tmp_path: Path
) -> None:
    served.faults.append(Fault("GET /images/.*00003", 503, 1))
    done = command(
        *("generate", "imagenet", "--grid=coco-published", "--limit=4", "--workers=1"),
        *(f"--images={with_password(served, 'images')}", f"--output={tmp_path / 'out'}"),
        f"--label-file={imagenet_source / 'val.txt'}",
    )
    assert done.code == 0, done.error
    assert_tight(done, tmp_path / "out")
    with http_server(tmp_path / "out") as server:
        url = with_password(server, "")
        for arguments in (
            ("verify", url),
            ("verify", "--json", url),
            ("fetch", url, str(tmp_path / "fetched")),
            ("card", str(tmp_path / "fetched"), "--name=x"),
            ("report", url, "-o", str(tmp_path / "report.html")),
        ):
            assert_tight(command(*arguments), tmp_path / "fetched", tmp_path)
        server.faults.append(Fault("GET /manifest.json", 403))
        assert_tight(command("fetch", url, str(tmp_path / "again")))


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "imagenet", "--images={url}", "--grid=coco-published", "--output=out"),
        ("generate", "coco", "--images={url}", "--annotations={url}", "--grid=x", "--output=o"),
        ("generate", "imagenet", "--images=x", "--grid={url}.yaml", "--output=out"),
        ("verify", "{url}"),
        ("fetch", "{url}", "out"),
        ("report", "{url}", "-o", "x.html"),
        ("compare", "{url}", "{url}"),
        ("score", "{url}", "--predictions={url}"),
        ("status", "{url}"),
        ("card", "{url}"),
        ("publish", "x", "{url}"),
        ("evaluate", "{url}", "--model={url}", "--config={url}", "--predictions={url}"),
    ],
    ids=" ".join,
)
def test_errors_name_no_secrets(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with http_server(tmp_path) as server:
        server.faults.append(Fault(".", 403))
        url = with_password(server, f"gone?X-Amz-Signature={SIGNATURE}")
        done = command(*(argument.format(url=url) for argument in arguments))
    assert done.code != 0
    assert_tight(done, tmp_path)


def test_processes_and_failures_have_no_secrets(
    served: Server, imagenet_source: Path, tmp_path: Path
) -> None:
    served.faults.append(Fault("GET /images/.*00007", 403))
    served.seconds = 0.05
    url = with_password(served, "images")
    (tmp_path / "grid.yaml").write_text(
        "decoders: [pillow]\nresizes: [pillow-bilinear]\ncolors: [rgb]\n"
        "geometry: shorter256-crop224\n"
    )
    started = generating(
        {
            "images": url,
            "label-file": imagenet_source / "val.txt",
            "grid": tmp_path / "grid.yaml",
            "output": tmp_path / "out",
        },
        "--runner=FnApiRunner",
    )
    lines: dict[int, str] = {}

    def is_working() -> bool:
        lines.update(started.processes())
        return "workers.worker" in "".join(lines.values())

    wait_for(is_working)
    ended = started.end()
    assert ended.code == 1
    assert "00007" in ended.error
    assert_tight(Outcome(ended.code, ended.out, ended.error), tmp_path / "out")
    assert PASSWORD not in "".join(line for pid, line in lines.items() if pid != started.pid)
