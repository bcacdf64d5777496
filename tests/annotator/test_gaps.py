from scripts.annotator.gaps import gaps, unsettled


def test_one_drawn_frame_goes_both_ways():
    back, there = gaps({4: [1]}, [1], 0, 9)
    assert (back.frames, list(back.forward), list(back.backward)) == (range(4), [], [4, 3, 2, 1, 0])
    assert (there.frames, list(there.forward), list(there.backward)) == (range(5, 10), [4, 5, 6, 7, 8, 9], [])
    assert back.steps + there.steps == 9


def test_between_two_drawn_frames_the_nearer_counts_more():
    (gap,) = gaps({0: [1], 4: [1]}, [1], 0, 4)
    assert (list(gap.forward), list(gap.backward)) == ([0, 1, 2, 3], [4, 3, 2, 1])
    assert gap.shares == {1: [0.25], 2: [0.5], 3: [0.75]}
    assert gap.is_whole
    (gap,) = gaps({0: [1], 4: [1]}, [1], 0, 4, backward=False)
    assert (list(gap.forward), list(gap.backward), gap.shares) == ([0, 1, 2, 3], [], {1: [0], 2: [0], 3: [0]})


def test_a_frame_that_shows_only_some_objects_is_passed():
    spoken = {0: [1, 2], 6: [3]}
    (gap,) = gaps(spoken, [1, 2, 3], 0, 9)
    assert gap.frames == range(10)
    assert list(gap.forward) == [0, *range(1, 10)]
    assert list(gap.backward) == [6, 5, 4, 3, 2, 1, 0]
    assert gap.shares[3] == [0, 0, 1]
    assert not gap.is_whole
    assert gap.shares[8] == [0, 0, 0]
    (gap,) = gaps(spoken, [1, 2, 3], 0, 9, backward=False)
    assert gap.shares[3] == [0, 0, None]


def test_a_range_starts_from_drawn_frames_outside_of_it():
    (gap,) = gaps({0: [1], 20: [1]}, [1], 8, 12)
    assert gap.frames == range(8, 13)
    assert (gap.forward, gap.backward) == (range(13), range(20, 7, -1))
    assert gap.shares[10] == [0.5]
    assert gaps({0: [1]}, [1], 3, 6, forward=False) == []
    assert gaps({3: [1]}, [1], 3, 3) == []


def test_only_changed_gaps_are_filled_again():
    found = gaps({0: [1], 4: [1], 8: [1]}, [1], 0, 12)
    assert [gap.frames for gap in found] == [range(1, 4), range(5, 8), range(9, 13)]
    drawn, propagated = {0: 1, 4: 2, 8: 3}, dict.fromkeys({*range(13)} - {0, 4, 8}, 4)
    assert unsettled(found, {**propagated, **drawn, 4: 5}, drawn) == found[:2]
    assert unsettled(found, {**propagated, **drawn, 8: 5}, drawn) == found[1:]
    assert unsettled(found, {**propagated, **drawn, 2: 0}, drawn) == found[:1]
    assert unsettled(found, {**propagated, **drawn}, drawn) == found


def test_gaps_that_a_propagation_left_open_are_filled_by_the_next():
    found = gaps({0: [1], 4: [1], 8: [1]}, [1], 0, 12)
    versions = {**dict.fromkeys(range(13), 4), 0: 1, 4: 5, 8: 3}  # 4 was drawn again
    versions |= dict.fromkeys(range(5, 8), 6)  # a propagation forward, which was cancelled there
    versions |= {8: 7}  # and another frame was drawn again
    assert unsettled(found, versions, [0, 4, 8]) == found
    versions |= dict.fromkeys([5, 6, 7, 9, 10, 11, 12], 8)  # a propagation of the later frames
    assert unsettled(found, versions, [0, 4, 8]) == found[:1]


def test_frames_that_no_object_reaches_do_not_keep_a_gap_open():
    (gap,) = gaps({3: [1]}, [1, 2], 0, 5, backward=False)
    assert gap.frames == range(6)
    later = {4: 2, 5: 2}
    other = gaps({6: [1, 2], 8: [1, 2]}, [1, 2], 7, 7)
    assert unsettled([gap, *other], {3: 1, **later, 6: 1, 8: 1}, [3, 6, 8]) == other
