"""`c2c serve` keeps what its calls were made of, and `c2c replay` plays it again."""

from __future__ import annotations

from pathlib import Path

from tests.command import run
from tests.test_cli import TwoPhones, bridged

REPLAYS = Path(__file__).parent / "replays"


async def test_a_served_call_is_kept_and_played_again(tmp_path: Path) -> None:
    directory = tmp_path / "replays"
    async with TwoPhones(b="--hangup-after 0.2") as phones, phones.server(tmp_path, replays=str(directory)) as server:
        document, call_id = await bridged(server)
        record = await server.ended(document, call_id)
        assert (record["result"], record["ended_by"]) == ("success", "b")
        explained = await run("explain", call_id, "--config", str(server.config))
        await server.stop()
    assert [path.name for path in directory.iterdir()] == [f"{call_id}.jsonl"]
    file = directory / f"{call_id}.jsonl"
    outcome = await run("replay", str(file))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{file}: the same as recorded, ")
    assert [line for line in explained.out.splitlines() if "INVITE sip:a@" in line and "<──" in line]
    assert explained.out.splitlines()[-1].startswith("2001 and 2002 talked for ")


async def test_what_went_otherwise_is_shown_and_can_be_accepted(tmp_path: Path) -> None:
    file = tmp_path / "call.jsonl"
    original = sorted(REPLAYS.glob("*.jsonl"))[0].read_bytes()
    file.write_bytes(original.replace(b"CANCEL sip:", b"BYE sip:"))
    outcome = await run("replay", str(file))
    assert (outcome.code, outcome.err) == (1, f"{file}: not the same as recorded.")
    assert "--- then\nto 192.0.2.20:5082\nBYE sip:" in outcome.out
    assert "--- now\nto 192.0.2.20:5082\nCANCEL sip:" in outcome.out
    updated = await run("replay", str(file), "--update")
    assert (updated.code, updated.out) == (0, f"{file}: updated.")
    assert (await run("replay", str(file))).code == 0


async def test_a_file_that_is_no_recording_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "call.jsonl"
    missing = await run("replay", str(file))
    assert (missing.code, missing.out, missing.err) == (2, "", f"{file}: No such file or directory")
    file.write_text("[calls]\n")
    for words in ((), ("--update",)):
        wrong = await run("replay", str(file), *words)
        assert (wrong.code, wrong.out) == (2, "")
        assert wrong.err.startswith(f"{file}: line 1 is no line of a recording: ")
    assert file.read_text() == "[calls]\n"


async def test_a_directory_that_cannot_be_had_is_said_before_the_service_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = tmp_path / "c2c.toml"
    config.write_text(f'[calls]\nreplays = "{tmp_path}/file/replays"\n')
    outcome = await run("serve", "--config", str(config))
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"cannot keep replays in {tmp_path}/file/replays: Not a directory"
