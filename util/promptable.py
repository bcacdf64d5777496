"""The promptable networks, models of the library osam, that answer clicks and words unless told otherwise."""

CLICK_MODEL = "efficientsam:10m"
FIND_MODEL = "yoloworld:latest"
GRAB_CUT = "grabcut"  # stands for GrabCut, which answers clicks without a model
MEGABYTES = {  # sizes of weights, as osam's page states them
    "efficientsam:10m": 40,
    "efficientsam:latest": 100,
    "sam:100m": 100,
    "sam:300m": 310,
    "sam:latest": 630,
    "sam2:tiny": 150,
    "sam2:small": 170,
    "sam2:latest": 300,
    "sam2:large": 870,
    "sam3:latest": 3400,
    "yoloworld:latest": 640,
}
