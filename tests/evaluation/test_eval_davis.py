import numpy as np
from PIL import Image

from tests.conftest import read_png, run_main, write_frames, write_labels
from util.palette import voc_palette


def make_tree(root, clip, videos, annotated):
    for name, count in videos.items():
        write_frames(root / "JPEGImages/480p" / name, clip["frames"][:count, :64, :96])
        for index in range(annotated or count):
            labels = clip["labels"][1, :64, :96]
            write_labels(root / f"Annotations/480p/{name}/{index:05}.png", labels)


def test_val_writes_paletted_masks_scores_every_object_and_pictures(
    tmp_path, clip, preloaded, monkeypatch, capsys
):
    make_tree(tmp_path / "2017/trainval", clip, {"b": 4, "a": 3}, annotated=None)
    (tmp_path / "2017/trainval/ImageSets/2017").mkdir(parents=True)
    (tmp_path / "2017/trainval/ImageSets/2017/val.txt").write_text("b\na\n")
    out = tmp_path / "out"
    flags = ["--davis", tmp_path / "2017", "--output", out, *preloaded]
    run_main(
        monkeypatch, "eval_davis", *flags, "--score", "--overlay", "--contact_sheet", tmp_path / "sheets"
    )

    mask = Image.open(out / "b/00003.png")
    assert mask.mode == "P"
    assert mask.getpalette() == voc_palette()
    assert set(np.unique(mask)) <= {0, 1, 2}
    assert np.array_equal(read_png(out / "b/00000.png"), clip["labels"][1, :64, :96])
    rows = [line.split(",")[:2] for line in (out / "results.csv").read_text().splitlines()]
    assert rows == [["video", "object"], ["mean", ""], ["b", "1"], ["b", "2"], ["a", "1"], ["a", "2"]]
    assert sorted(path.name for path in out.iterdir()) == [".settings.json", "a", "b", "results.csv"]
    assert (tmp_path / "out_overlay/a.mp4").stat().st_size > 0
    assert Image.open(tmp_path / "sheets/b.jpg").size == (4 * 480, 320)
    assert "Total processed frames: 7" in capsys.readouterr().out


def test_test_dev_has_its_own_folder_and_no_score(tmp_path, clip, preloaded, monkeypatch, capsys, caplog):
    caplog.set_level("INFO")
    make_tree(tmp_path / "test-dev", clip, {"only": 3}, annotated=1)
    (tmp_path / "test-dev/ImageSets/2017").mkdir(parents=True)
    (tmp_path / "test-dev/ImageSets/2017/test-dev.txt").write_text("only\n")
    flags = ["--davis", tmp_path, "--output", tmp_path / "out", "--split", "testdev", "--score"]
    run_main(monkeypatch, "eval_davis", *flags, *preloaded)
    assert "only: ground truth on 00000 alone" in caplog.text
    assert "No score" in capsys.readouterr().out
    assert not (tmp_path / "out/results.csv").exists()
