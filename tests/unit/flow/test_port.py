"""Links by generation, and the notes of who is fed."""

from __future__ import annotations

from engine.flow import Generation, Mode, OutPort, Process


def make(probe, count):
    return [probe(lambda payload: payload, Mode.MAP, name=str(index)).input for index in range(count)]


def test_links_hold_from_their_generation_on(probe) -> None:
    one, two, three = make(probe, 3)
    port = OutPort(None, "out")
    port.link(2, [one])
    port.link(5, [two, three, two])
    assert [port.at(number) for number in (1, 2, 4, 5, 9)] == [(), (one,), (one,), (two, three), (two, three)]
    assert port.single is None
    port.unlink(5)
    assert port.at(9) == (one,)
    assert port.single is one
    port.unlink(5)
    assert port.at(9) == (one,)


def test_links_laid_twice_for_one_generation_replace_each_other(probe) -> None:
    one, two = make(probe, 2)
    port = OutPort(None, "out")
    port.link(3, [one])
    port.link(3, [two])
    assert port.at(3) == (two,)
    port.unlink(3)
    assert port.at(3) == ()


def test_pruning_forgets_only_what_nobody_follows(probe) -> None:
    one, two = make(probe, 2)
    port = OutPort(None, "out")
    port.link(2, [one])
    port.link(5, [two])
    assert port.prune(3)
    assert port.at(3) == (one,)
    assert port.prune(4)
    assert not port.prune(5)
    assert not port.history
    assert port.at(5) == (two,)


def test_pruning_forgets_several_at_once(probe) -> None:
    one, two, three = make(probe, 3)
    port = OutPort(None, "out")
    for number, target in ((2, one), (5, two), (7, three)):
        port.link(number, [target])
    assert port.prune(6)
    assert (port.at(6), port.at(7)) == ((two,), (three,))
    for number in (2, 5, 7):
        one.feed(number, number != 5)
    assert one.prune(6)
    assert [one.is_fed(number) for number in (4, 5, 6, 7)] == [False, False, False, True]


def test_an_in_port_knows_in_which_generations_it_is_fed(probe) -> None:
    (port,) = make(probe, 1)
    port.feed(2, True)
    port.feed(4, False)
    port.feed(6, True)
    assert [port.is_fed(number) for number in (1, 2, 3, 4, 5, 6)] == [False, True, True, False, False, True]
    port.unfeed(6)
    assert not port.is_fed(6)
    port.feed(7, True)
    assert port.prune(4)
    assert not port.is_fed(5)
    assert not port.prune(7)
    assert port.is_fed(8)


def test_opening_ports_gives_the_reader_and_the_writer_of_a_process(probe) -> None:
    (port,) = make(probe, 1)
    process = Process(Generation(1))
    assert port.open(process) is port.open(process)
    assert port.open(process).packets() == []
    writer = OutPort.to(port).open(process)
    assert writer.process is process
    process.exit()
