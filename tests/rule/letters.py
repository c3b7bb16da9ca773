"""Questions that another member's gateway asks in sealed letters, up to what would be released."""

from dataclasses import replace

from careledger.exchange.deciding import Decider, Forbidden
from careledger.exchange.organisation import claims
from careledger.mechanisms.messages import Ask, Query
from careledger.mechanisms.request import AccessRequest, sign_request, verify_request
from careledger.mechanisms.terms import Action
from tests.exchange.world import LAKEVIEW, RIVERSIDE, key
from tests.rule.checks import same
from tests.rule.houses import House
from tests.rule.oracle import Oracle, Reaching, Who
from tests.rule.population import CLINICAL
from tests.rule.scenes import Scene

EVERYTHING = (Reaching("system", "*", "rs"),)

Found = set[tuple[str, int]]
"""Names and versions."""


async def letters_bring_what_is_permitted(scene: Scene) -> None:
    """Of the whole record, of a type, of one resource, and of a version of it."""
    population, chance = scene.population, scene.chance
    names = [one for one in population.names() if one.split("/")[0] in CLINICAL]
    asked: list[tuple[Action, Query]] = [("export", Query())]
    asked += [("search", Query(type=type_)) for type_ in chance.sample(CLINICAL, 3)]
    for type_, _, id_ in (name.partition("/") for name in chance.sample(names, 6)):
        asked.append(("read", Query(type=type_, id=id_)))
        asked.append(("read", Query(type=type_, id=id_, version=1)))
    for action, query in asked:
        who = replace(scene.who, scopes=EVERYTHING, actions=(action,))
        found = by_letter(scene.full, who, query)
        same(f"{action} {query}", found, _permitted(scene.oracle.of(who), query, action))
        if scene.is_one and scene.who.scopes == EVERYTHING:
            same("the other house", by_letter(scene.bare[action], who, query), found)


def by_letter(house: House, who: Who, query: Query) -> Found:
    """What Riverside would release to Lakeview's question."""
    assert who.grant is not None
    organisation, mailbox = house.exchange.organisation, house.exchange.mailbox
    what = claims(LAKEVIEW, "request", organisation.chain, organisation.clock())
    signed = AccessRequest(
        custodian=RIVERSIDE,
        account=house.ground.accounts[who.grant.patient],
        requester=LAKEVIEW,
        purpose=who.purpose,
        actions=who.actions,
        practitioner=who.practitioner,
        role=who.role,
    )
    ask = Ask(request=sign_request(key(LAKEVIEW), what, signed), query=query, salt=bytes(32))
    with organisation.now() as now:
        verified = verify_request(ask.request, now.view, organisation.chain, now.time)
        decision = Decider(organisation, mailbox).decide(ask, verified, now)
    if isinstance(decision, Forbidden):
        return set()
    assert not decision.unopened
    return {(f"{one.type}/{one.id}", one.version) for one in decision.found}


def _permitted(oracle: Oracle, query: Query, action: Action) -> Found:
    found = Found()
    for name in oracle.permitted(action):
        type_, _, id_ = name.partition("/")
        if query.type in {None, type_} and query.id in {None, id_}:
            versions = oracle.population.versions(name)
            number = query.version or len(versions)
            if number <= len(versions):
                event = versions[number - 1]
                if event.resource is not None and oracle.sees_version(event, action):
                    found.add((name, number))
    return found
