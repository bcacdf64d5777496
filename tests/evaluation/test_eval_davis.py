import numpy as np
from PIL import Image

from tests.conftest import read_png, run_main, write_davis
from util.palette import voc_palette


def test_val_writes_paletted_masks_scores_every_object_and_pictures(
    tmp_path, clip, preloaded, monkeypatch, capsys
):
    frames, labels = clip["frames"][:, :64, :96], clip["labels"][1, :64, :96]
    for name, count in (("b", 4), ("a", 3)):
        write_davis(tmp_path / "2017/trainval", name, frames[:count], [labels] * count)
    out = tmp_path / "out"
    flags = ["--davis", tmp_path / "2017", "--output", out, *preloaded]
    flags += ["--score", "--overlay", "--contact_sheet", tmp_path / "sheets"]
    run_main(monkeypatch, "eval_davis", *flags)

    mask = Image.open(out / "b/00003.png")
    assert mask.mode == "P"
    assert mask.getpalette() == voc_palette()
    assert set(np.unique(mask)) <= {0, 1, 2}
    assert np.array_equal(read_png(out / "b/00000.png"), labels)
    rows = [line.split(",")[:2] for line in (out / "results.csv").read_text().splitlines()]
    assert rows == [["video", "object"], ["mean", ""], ["b", "1"], ["b", "2"], ["a", "1"], ["a", "2"]]
    assert sorted(path.name for path in out.iterdir()) == [".settings.json", "a", "b", "results.csv"]
    assert (tmp_path / "out_overlay/a.mp4").stat().st_size > 0
    assert Image.open(tmp_path / "sheets/b.jpg").size == (4 * 480, 320)
    assert "Total processed frames: 7" in capsys.readouterr().out


def test_test_dev_has_its_own_folder_and_no_score(tmp_path, clip, preloaded, monkeypatch, capsys, caplog):
    caplog.set_level("INFO")
    frames, truth = clip["frames"][:3, :64, :96], [clip["labels"][1, :64, :96]]
    write_davis(tmp_path / "test-dev", "only", frames, truth, "2017/test-dev")
    flags = ["--davis", tmp_path, "--output", tmp_path / "out", "--split", "testdev", "--score"]
    run_main(monkeypatch, "eval_davis", *flags, *preloaded)
    assert "only: ground truth on 1 frames, of which none counts" in caplog.text
    assert "No score" in capsys.readouterr().out
    assert not (tmp_path / "out/results.csv").exists()
