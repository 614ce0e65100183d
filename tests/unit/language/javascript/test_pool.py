from __future__ import annotations

import itertools

from engine.errors import Code
from engine.language.javascript.pool import Pool


class Tenant:
    clock = itertools.count()

    def __init__(self, *, keeps_state=False):
        self.keeps_state = keeps_state
        self.last_used = next(self.clock)
        self.busy = True
        self.inside = False
        self.refused = None

    def move_in(self):
        self.inside = True

    def refuse(self, error):
        self.refused = error

    def move_out(self):
        if self.busy or self.keeps_state:
            return False
        self.inside = False
        return True


def test_there_is_room_up_to_the_ceiling():
    pool = Pool(2)
    tenants = [Tenant() for _ in range(3)]
    for tenant in tenants:
        pool.enter(tenant)
    assert [t.inside for t in tenants] == [True, True, False]
    assert pool.crowded


def test_who_was_idle_longest_makes_way():
    pool = Pool(3)
    kept, old, young, new = Tenant(keeps_state=True), Tenant(), Tenant(), Tenant()
    for tenant in (kept, young, old):
        pool.enter(tenant)
        tenant.busy = False
    old.last_used, young.last_used = 1, 2
    pool.enter(new)
    assert [t.inside for t in (kept, old, young, new)] == [True, False, True, True]
    assert not pool.crowded


def test_who_waits_gets_in_when_somebody_leaves_or_rests_in_order():
    pool = Pool(1)
    first, second, third = Tenant(), Tenant(), Tenant()
    for tenant in (first, second, third):
        pool.enter(tenant)
    first.busy = False
    pool.rest()
    assert [t.inside for t in (first, second, third)] == [False, True, False]
    pool.leave(second)
    assert third.inside
    assert not pool.crowded


def test_who_gives_up_waiting_is_forgotten():
    pool = Pool(1)
    first, second, third = Tenant(), Tenant(), Tenant()
    for tenant in (first, second, third):
        pool.enter(tenant)
    pool.leave(second)
    pool.leave(first)
    assert [second.inside, third.inside] == [False, True]


def test_no_room_and_no_hope_is_refused_at_once():
    pool = Pool(1)
    pool.enter(Tenant(keeps_state=True))
    late = Tenant()
    pool.enter(late)
    assert late.refused.code is Code.LIMIT
    assert not pool.crowded


def test_hope_that_is_lost_later_is_refused_then():
    pool = Pool(1)
    free, keeper, late = Tenant(), Tenant(keeps_state=True), Tenant()
    for tenant in (free, keeper, late):
        pool.enter(tenant)
    pool.leave(free)
    assert keeper.inside
    assert late.refused.code is Code.LIMIT
