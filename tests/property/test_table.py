"""Random changes of specs against a model of the table.

The model is small because it is slow: it decides about the whole table each time, where `reconcile` looks only at what
the change can reach. Processes that are held in the middle of their way must finish on what they began with.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from engine.errors import Place
from engine.flow import Forward, Generation, Mode, Node, OutPort, Process, join
from engine.graph.compile import SpecCompiler
from engine.graph.context import Clock, Context, Settings
from engine.graph.forecast import Effect, forecast
from engine.graph.reconcile import Changes, reconcile
from engine.graph.resources import Resources
from engine.graph.scheme import Codec, Composite, Scheme
from engine.graph.sketch import Silence
from engine.graph.symbol import Site, Symbol
from engine.graph.table import Table
from engine.spec.model import Value, parse_spec
from engine.spec.schema import NodeSpec

IDS = [f"00000000-0000-7000-8000-00000000000{index}" for index in range(4)]
NAMES = ["a", "b", "c", "d", "e"]
FUEL = 5


class World:
    """What the nodes of one table share: their diary, and the gates of held processes."""

    def __init__(self) -> None:
        self.diary: list[tuple[str, Node]] = []
        self.gates: list[asyncio.Future[None]] = []
        self.wrongs: list[str] = []

    def times(self, event: str, node: Node) -> int:
        return sum(1 for each in self.diary if each == (event, node))


class RecordSpec(NodeSpec):
    tag: str = ""
    fail: str = ""


class Record(Node):
    """Writes its tag on the packet, and what happens to it in the diary."""

    def __init__(self, spec: RecordSpec, world: World, *, fed: bool = True) -> None:
        super().__init__()
        self.spec = spec
        self.world = world
        self.ended = False
        self.out = self._add_out("out")
        self.error = self._add_out("error")
        if fed:
            mode = Mode.GENERATOR if spec.tag.startswith("hold") else Mode.ROUTE
            action = self.hold if mode is Mode.GENERATOR else self.action
            self._add_in("in", action, out=self.out, error=self.error, mode=mode)

    def note(self, event: str) -> None:
        self.world.diary.append((event, self))

    async def load(self) -> None:
        self.note("load")
        await asyncio.sleep(0)
        if self.spec.fail == "load":
            raise RuntimeError("it does not load")

    def activate(self) -> None:
        self.note("activate")

    def retire(self) -> None:
        self.note("retire")

    async def unload(self) -> None:
        self.ended = True
        self.note("unload")
        await asyncio.sleep(0)

    def mark(self, payload: Any) -> Any:
        if self.ended:
            self.world.wrongs.append(f"a packet reached {self} after its end")
        fuel, trail, held = payload
        return fuel - 1, (*trail, self.spec.tag), held

    def action(self, payload: Any, _process: Process) -> Any:
        payload = self.mark(payload)
        return (self.out if payload[0] > 0 else None), payload

    def hold(self, payload: Any, _process: Process) -> Any:
        if payload[2]:
            gate = asyncio.get_running_loop().create_future()
            self.world.gates.append(gate)
            yield gate
        payload = self.mark(payload)
        return Forward(self.out, payload) if payload[0] > 0 else payload


class SequenceSpec(NodeSpec):
    specs: list[dict[str, Any]]


@dataclass(frozen=True)
class Doc:
    """A spec as the machine draws it. `tags` are the children of a sequence."""

    kind: str = "record"
    name: str = "a"
    tag: str = "x"
    fail: str = ""
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    """Names, or ids where they stand among IDS."""
    comment: int = 0
    value: bool = False

    def document(self, id: str) -> dict[str, Any]:
        links = [{"id" if link in IDS else "name": link, "port": "in"} for link in self.links]
        document: dict[str, Any] = {
            "kind": self.kind,
            "id": id,
            "name": self.name,
            "annotations": {"comment": str(self.comment)},
            "ports": {"out": links},
        }
        if self.kind == "sequence":
            document["specs"] = [{"kind": "record", "name": f"k{i}", "tag": tag} for i, tag in enumerate(self.tags)]
        else:
            document["tag"] = "{{ .v }}" if self.value else self.tag
            document["fail"] = self.fail
        if self.value:
            document["env"] = {"v": {"name": "v", "data": "{{ . }}"}}
        if self.fail == "compile":
            document["nonsense"] = 1
        return document


@dataclass
class Model:
    """What should have become of one spec."""

    doc: Doc
    revision: int
    candidate: Doc | None = None
    """The newest revision, if it compiles, has its values, and has not failed to load."""
    running: Doc | None = None
    serving: int | None = None
    deleted: bool = False


def is_fed(doc: Doc) -> bool:
    return doc.kind != "trigger"


docs = st.builds(
    Doc,
    kind=st.sampled_from(["record", "record", "record", "sequence", "trigger"]),
    name=st.sampled_from(NAMES),
    tag=st.sampled_from(["x", "y", "hold1", "hold2"]),
    fail=st.sampled_from(["", "", "", "", "load", "compile"]),
    tags=st.lists(st.sampled_from(["p", "q", "hold3"]), min_size=1, max_size=3).map(tuple),
    links=st.lists(st.sampled_from([*NAMES, *NAMES, *IDS]), max_size=2, unique=True).map(tuple),
    comment=st.integers(0, 1),
    value=st.sampled_from([False, False, False, True]),
).map(lambda doc: replace(doc, value=False, fail="") if doc.kind == "sequence" else doc)


class TableMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.loop = self.new_loop()
        self.loop.set_exception_handler(lambda _loop, context: self.world.wrongs.append(str(context)))
        self.models: dict[str, Model] = {}
        self.value: str | None = None
        self.revision = 0
        self.flights: list[tuple[asyncio.Task[Any], Any]] = []

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    @initialize(first=st.lists(docs, min_size=len(IDS), max_size=len(IDS)))
    def begin(self, first: list[Doc]) -> None:
        async def make() -> Table:
            log = Silence()
            prototype = Context(
                site=Site("", "", None, "", "", Place(), None),
                languages=None,  # type: ignore[arg-type]
                generation=Generation,
                log=log,
                clock=Clock(),
                resources=Resources(),
                settings=Settings(),
            )
            world = self.world
            scheme = Scheme.of(
                [
                    Codec(kind="record", spec=RecordSpec, compile=lambda spec, ctx: Record(spec, world)),
                    Codec(kind="trigger", spec=RecordSpec, compile=lambda spec, ctx: Record(spec, world, fed=False)),
                    Codec(kind="sequence", spec=SequenceSpec, expand=lambda spec: Composite(tuple(spec.specs))),
                ]
            )
            compiler = SpecCompiler(scheme, prototype)
            return Table("default", compiler, log=log, drain=timedelta(hours=1))

        self.table = self.loop.run_until_complete(make())
        named = zip(IDS, NAMES, first, strict=False)
        self.apply(Changes(specs=[self.put(id, replace(doc, name=name)) for id, name, doc in named]))

    # --- what the world does

    @rule(changes=st.dictionaries(st.sampled_from(IDS), st.one_of(docs, docs, st.none()), min_size=1, max_size=3))
    def change(self, changes: dict[str, Doc | None]) -> None:
        specs, deleted = [], []
        for id, doc in changes.items():
            if doc is None:
                if id in self.models:
                    deleted.append(id)
                    self.models[id].deleted = True
                continue
            if self.is_taken(id, doc.name):
                continue
            specs.append(self.put(id, doc))
        self.apply(Changes(specs=specs, deleted=deleted))

    @rule(id=st.sampled_from(IDS), other=st.one_of(st.none(), docs))
    def take_away_and_bring_back(self, id: str, other: Doc | None) -> None:
        """What leads to it stops, and must come back with it."""
        if id not in self.models:
            return
        doc = self.models[id].doc
        self.models[id].deleted = True
        self.apply(Changes(deleted=[id]))
        if not self.is_taken(id, doc.name):
            self.apply(Changes(specs=[self.put(id, doc if other is None else replace(other, name=doc.name))]))

    @rule(id=st.sampled_from(IDS), edit=st.sampled_from(["comment", "tag", "child", "link"]), to=st.sampled_from(NAMES))
    def edit(self, id: str, edit: str, to: str) -> None:
        model = self.models.get(id)
        if model is None:
            return
        doc = model.doc
        if edit == "comment":
            doc = replace(doc, comment=doc.comment + 1)
        elif edit == "tag":
            doc = replace(doc, tag="y" if doc.tag == "x" else "x", fail="")
        elif edit == "link":
            doc = replace(doc, links=(to,))
        else:
            doc = replace(doc, tags=(*doc.tags[:-1], "p" if doc.tags[-1] == "q" else "q"))
        self.apply(Changes(specs=[self.put(id, doc)]))

    @rule(data=st.sampled_from(["v1", "v2", None]))
    def set_value(self, data: str | None) -> None:
        known, self.value = self.value, data
        for model in self.models.values():
            if model.doc.value and known != data:
                self.compile(model)
        if data is None:
            self.apply(Changes(deleted_values=["value"]))
        else:
            self.revision += 1
            value = Value(id="value", name="v", data=data, revision=self.revision)
            self.apply(Changes(values=[value]))

    @rule(id=st.sampled_from(IDS))
    def fly(self, id: str) -> None:
        """Begin a process that is held at every node that can hold one."""
        model = self.models.get(id)
        if model is None or model.running is None or not is_fed(model.running):
            return
        expected = self.answer(id, (FUEL, (), True))
        ports = self.table.entries[id].running.in_ports("in")  # type: ignore[union-attr]

        async def flight() -> Any:
            process = Process(self.table.current)
            answer = await process.ask(OutPort.to(*ports), (FUEL, (), True))
            process.exit()
            await process.join()
            return answer

        self.flights.append((self.loop.create_task(flight()), expected))
        self.spin()

    @precondition(lambda self: self.world.gates)
    @rule(which=st.integers(0, 100))
    def open_gate(self, which: int) -> None:
        self.world.gates.pop(which % len(self.world.gates)).set_result(None)
        self.spin()

    # --- the model

    def is_taken(self, id: str, name: str) -> bool:
        """Whether another spec has this name, in its newest revision or in the one that runs."""
        others = [model for other, model in self.models.items() if other != id]
        return any(name in (each.doc.name, each.running.name if each.running else None) for each in others)

    def put(self, id: str, doc: Doc) -> Any:
        self.revision += 1
        model = self.models.setdefault(id, Model(doc, self.revision))
        model.doc, model.revision, model.deleted = doc, self.revision, False
        self.compile(model)
        return parse_spec({**doc.document(id), "revision": self.revision})

    def compile(self, model: Model) -> None:
        doc = model.doc
        bad = doc.fail == "compile" or (doc.value and self.value is None)
        model.candidate = None if bad else replace(doc, tag=self.value or "" if doc.value else doc.tag)

    def find(self, link: str, picks: dict[str, Doc | None]) -> str | None:
        for id, doc in picks.items():
            if doc is not None and (link == id or link == doc.name):
                return id
        return None

    def choose(self) -> dict[str, Doc | None]:
        """The same rules as the table's, on everything there is."""
        picks = {id: None if m.deleted else m.candidate or m.running for id, m in self.models.items()}
        while True:
            broken = [id for id, doc in sorted(picks.items()) if doc is not None and self.missing(doc, picks)]
            if not broken:
                return picks
            sure = [
                id for id in broken if not all(self.may_come(link, picks) for link in self.missing(picks[id], picks))
            ]
            id = sure[0] if sure else min(broken, key=lambda each: (picks[each] is not self.models[each].running, each))
            running, keeper = self.models[id].running, None
            if picks[id] is running:
                for link in self.missing(running, picks):
                    target = self.find(link, picks)
                    before = self.models[target].running if target is not None else None
                    keeper = target if before is not None and before is not picks[target] and is_fed(before) else keeper
            if keeper is not None:
                picks[keeper] = self.models[keeper].running
            else:
                picks[id] = running if picks[id] is not running else None

    def missing(self, doc: Doc | None, picks: dict[str, Doc | None]) -> list[str]:
        """The links of a spec that lead nowhere."""
        found = {link: self.find(link, picks) for link in (doc.links if doc is not None else ())}
        return [link for link, id in found.items() if id is None or not is_fed(picks[id])]

    def may_come(self, link: str, picks: dict[str, Doc | None]) -> bool:
        """Whether some spec that fell back would be what a link leads to."""
        return any(
            model.running is not None
            and picks[id] not in (None, model.running)
            and link in (id, model.running.name)
            and is_fed(model.running)
            for id, model in self.models.items()
        )

    def decide(self) -> None:
        """What `reconcile` should arrive at."""
        while True:
            picks = self.choose()
            fresh = [id for id, doc in picks.items() if doc is not None and doc is not self.models[id].running]
            failing = [
                id for id in fresh if picks[id].fail == "load" and not self.keeps(self.models[id].running, picks[id])
            ]
            if not failing:
                break
            # Inner ones are loaded first: one that leads to another one that fails is not tried.
            first = next((id for id in failing if not set(self.below(id, picks)) & set(failing) - {id}), failing[0])
            self.models[first].candidate = None
        for id, doc in picks.items():
            model = self.models[id]
            if doc is None:
                model.running, model.serving = None, None
            elif doc is model.candidate:
                model.running, model.serving = doc, model.revision
        for id in [id for id, model in self.models.items() if model.deleted]:
            del self.models[id]

    def keeps(self, before: Doc | None, after: Doc | None) -> bool:
        """Whether the node stays."""
        if before is None or after is None or before.kind != after.kind:
            return False
        return before.kind == "sequence" or (before.tag, before.fail) == (after.tag, after.fail)

    def below(self, id: str, picks: dict[str, Doc | None]) -> set[str]:
        """Everything that a spec leads to."""
        found: set[str] = set()
        todo = [id]
        while todo:
            doc = picks[todo.pop()]
            for link in doc.links if doc is not None else ():
                target = self.find(link, picks)
                if target is not None and target not in found:
                    found.add(target)
                    todo.append(target)
        return found

    def answer(self, id: str, payload: Any) -> Any:
        picks = {each: model.running for each, model in self.models.items()}

        def through(id: str, payload: Any) -> Any:
            doc = picks[id]
            assert doc is not None
            for tag in doc.tags if doc.kind == "sequence" else (doc.tag,):
                payload = (payload[0] - 1, (*payload[1], tag), payload[2])
                if payload[0] <= 0:
                    return payload
            targets = list(dict.fromkeys(self.find(link, picks) for link in doc.links))
            if not targets:
                return payload
            answers = [through(target, payload) for target in targets if target is not None]
            return answers[0] if len(answers) == 1 else join(answers)

        return through(id, payload)

    # --- doing and checking

    def spin(self) -> None:
        async def turns() -> None:
            for _ in range(30):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        still = []
        for task, expected in self.flights:
            if task.done():
                assert task.result() == expected
            else:
                still.append((task, expected))
        self.flights = still

    def apply(self, changes: Changes) -> None:
        before = {id: model.running for id, model in self.models.items()}
        old_nodes = {id: self.nodes_of(id) for id in before}
        began = len(self.world.diary)
        targets = self.targets()
        effects = self.foresee(changes)
        self.loop.run_until_complete(reconcile(self.table, changes))
        self.check_forecast(effects, old_nodes, targets, began)
        self.decide()
        self.check_statuses()
        self.check_nodes(before, old_nodes, began)
        self.check_answers()
        self.spin()
        if not self.flights:
            self.loop.run_until_complete(asyncio.wait_for(self.table.departures.join(), 5))
            self.check_pairs()
            self.check_unload_order(before, old_nodes, began)
        assert not self.world.wrongs, self.world.wrongs

    def nodes_of(self, id: str) -> dict[str, Node]:
        entry = self.table.entries.get(id)
        if entry is None or entry.running is None:
            return {}
        symbol: Symbol = entry.running
        return {"": symbol.node, **{key: child.node for key, child in symbol.children.items()}}

    def targets(self) -> dict[OutPort, Any]:
        """Where everything leads."""
        return {
            port: port.targets
            for id in self.table.entries
            for node in self.nodes_of(id).values()
            for port in node.out_ports()
        }

    def foresee(self, changes: Changes) -> dict[str, Effect]:
        """Ask what a change would do, which must leave no trace."""

        def traces() -> Any:
            table = self.table
            entries = {id: [getattr(entry, name) for name in entry.__slots__] for id, entry in table.entries.items()}
            sets = [{key: set(ids) for key, ids in each.items()} for each in (table._names, table._referrers)]
            rest = [set(table.unloadable), set(table.needed), dict(table.values), dict(table.claims), table.current]
            return entries, sets, rest, self.targets(), len(self.world.diary)

        before = traces()
        effects = self.loop.run_until_complete(forecast(self.table, changes))
        assert traces() == before
        return {effect.spec.id: effect for effect in effects}

    def check_forecast(
        self,
        effects: dict[str, Effect],
        old: dict[str, dict[str, Node]],
        targets: dict[OutPort, Any],
        began: int,
    ) -> None:
        if any(event == "load" and node.spec.fail for event, node in self.world.diary[began:]):
            return  # that a node fails to load is not to be known before
        now = self.targets()
        for id in {*old, *self.table.entries}:
            before, after = set(old.get(id, {}).values()), set(self.nodes_of(id).values())
            entry, effect = self.table.entries.get(id), effects.get(id)
            ports = [port for node in after for port in node.out_ports()]
            if entry is None:
                expected = {"closed"}
            elif not before or not after:
                expected = {"created" if after else "closed" if before else "waiting"}
            elif before != after:
                expected = {"rebuilt"}
            elif any(now[port] != targets[port] for port in ports):
                expected = {"relinked"}
            else:
                expected = {"unchanged"} if entry.status.state == "active" else {"kept", "unchanged"}
            told = effect.action if effect is not None else "unchanged"
            assert told in expected or (effect is None and expected == {"waiting"}), (effect, expected)
            if effect is not None and entry is not None:
                assert (effect.state, effect.reason) == (entry.status.state, entry.status.reason)
                assert effect.made == len(after - before)

    def check_statuses(self) -> None:
        assert set(self.table.entries) == set(self.models)
        for id, model in self.models.items():
            status = self.table.entries[id].status
            assert status is not None
            newest = model.running is not None and model.running is model.candidate
            assert (status.state == "active") == newest, (status, model)
            assert status.serving == model.serving, (status, model)
            assert status.revision == model.revision
            assert status.state == "active" or status.reason
            if model.doc.fail == "compile" and not (model.doc.value and self.value is None):
                assert status.state == "failed"

    def check_nodes(self, before: dict[str, Doc | None], old: dict[str, dict[str, Node]], began: int) -> None:
        """Unaffected nodes keep their instance; new ones were loaded, inner ones first."""
        loads = [node for event, node in self.world.diary[began:] if event == "load"]
        picks = {id: model.running for id, model in self.models.items()}
        fresh: dict[str, Node] = {}
        for id, model in self.models.items():
            now, was = model.running, before.get(id)
            nodes = self.nodes_of(id)
            if now is None:
                assert not nodes
                continue
            if self.keeps(was, now):
                assert nodes[""] is old[id][""]
            elif was is not None:
                assert nodes[""] is not old[id][""]
            if now.kind == "sequence":
                assert set(nodes) == {"", *(f"k{i}" for i in range(len(now.tags)))}
                for index, tag in enumerate(now.tags):
                    kept = was is not None and was.kind == "sequence" and was.tags[index : index + 1] == (tag,)
                    assert (nodes[f"k{index}"] is old.get(id, {}).get(f"k{index}")) == kept
            elif not self.keeps(was, now):
                fresh[id] = nodes[""]
        for id, node in fresh.items():
            assert loads.count(node) == 1
            assert ("activate", node) in self.world.diary[began:]
            for other in self.below(id, picks) & set(fresh):
                if id not in self.below(other, picks):
                    assert loads.index(fresh[other]) < loads.index(node), "an outer node was loaded first"

    def check_answers(self) -> None:
        async def ask(ports: Any) -> Any:
            process = Process(self.table.current)
            answer = await process.ask(OutPort.to(*ports), (FUEL, (), False))
            process.exit()
            await process.join()
            return answer

        for id, model in self.models.items():
            if model.running is not None and is_fed(model.running):
                symbol = self.table.entries[id].running
                assert symbol is not None
                answer = self.loop.run_until_complete(ask(symbol.in_ports("in")))
                assert answer == self.answer(id, (FUEL, (), False))

    def alive(self) -> set[Node]:
        return {node for id in self.table.entries for node in self.nodes_of(id).values() if isinstance(node, Record)}

    def check_pairs(self) -> None:
        """Once nobody is under way: every node was loaded once, and unloaded once if it does not run."""
        alive = self.alive()
        for node in {node for _, node in self.world.diary}:
            assert self.world.times("load", node) == 1
            assert self.world.times("unload", node) == (node not in alive)
            published = self.world.times("activate", node)
            assert self.world.times("retire", node) == (published if node not in alive else 0)
        for node in alive:
            for port in node.out_ports():
                assert not port.history
            for name in node.in_names():
                assert len(node.in_port(name).feeds) <= 1  # type: ignore[union-attr]
        assert set(self.table.born) == {node for id in self.table.entries for node in self.nodes_of(id).values()}

    def check_unload_order(self, before: dict[str, Doc | None], old: dict[str, dict[str, Node]], began: int) -> None:
        for event in ("retire", "unload"):
            gone = [node for each, node in self.world.diary[began:] if each == event]
            for id in before:
                for other in self.below(id, before):
                    if id in self.below(other, before):
                        continue
                    outer, inner = old[id].get(""), old[other].get("")
                    if outer in gone and inner in gone:
                        assert gone.index(outer) < gone.index(inner), f"{event}: an inner node went first"

    def teardown(self) -> None:
        if not hasattr(self, "table"):
            self.loop.close()
            return
        try:
            for model in self.models.values():
                model.deleted = True
            self.apply(Changes(deleted=list(self.models)))
            while self.world.gates:
                self.open_gate_now()
            self.spin()
            assert not self.flights
            self.loop.run_until_complete(asyncio.wait_for(self.table.departures.join(), 5))
            self.check_pairs()
            assert not self.table.departures.waiting
            assert not self.table.departures.superseded
            assert not self.table.born
            assert not self.table._aged
            assert not self.table._names
            assert not self.table._referrers
            assert not asyncio.all_tasks(self.loop)
            assert not self.world.wrongs, self.world.wrongs
        finally:
            self.loop.close()

    def open_gate_now(self) -> None:
        self.world.gates.pop().set_result(None)
        self.spin()


class UvloopTableMachine(TableMachine):
    def new_loop(self) -> asyncio.AbstractEventLoop:
        uvloop = pytest.importorskip("uvloop")
        return uvloop.new_event_loop()


TestTable = TableMachine.TestCase
TestTableOnUvloop = UvloopTableMachine.TestCase
TestTableOnUvloop.settings = settings(
    max_examples=20, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTable.settings = settings(
    max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
