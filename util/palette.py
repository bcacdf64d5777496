"""The standard colours of labels."""


def voc_palette() -> list[int]:
    """Return the PASCAL VOC palette, 256 colours as R G B R G B ...

    A label's bits are dealt to red, green and blue in turn, the lowest to each channel's highest bit.
    """
    return [
        sum((label >> (3 * i + channel) & 1) << (7 - i) for i in range(8))
        for label in range(256)
        for channel in range(3)
    ]
