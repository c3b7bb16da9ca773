"""Sets the demo's stage: processes up, records in, people enrolled."""

import asyncio
from pathlib import Path

from careledger.cli.clock import wall_clock
from careledger.cli.demo import cast as casting
from careledger.cli.demo.cast import FOUNDERS, LAKEVIEW, RIVERSIDE, Cast, Delivery
from careledger.cli.demo.ledger_search import search_ledger
from careledger.cli.demo.narrator import Narrator
from careledger.cli.demo.processes import Processes
from careledger.consensus.remote import RemoteNode
from careledger.node.config import OrderWith
from careledger.node.consortium import found_consortium
from careledger.node.founding import Network, found

_ORDER = {
    "solo": "one node orders what all of them agree on.",
    "cometbft": "each has a node as well, and a block needs the votes of three of the four.",
}


async def open_network(
    folder: Path, port: int, engine: OrderWith, processes: Processes, narrator: Narrator
) -> Network:
    """Found the four organisations in `folder`; start the node or nodes, and a gateway each."""
    narrator.step(
        "Four organisations begin",
        "Two hospitals, a payer and a pharmacy. Each has its own keys, gateway and sealed vault; "
        + _ORDER[engine],
    )
    begin = found if engine == "solo" else found_consortium
    network = begin(folder, FOUNDERS, name="demo", time=wall_clock(), first_port=port)
    nodes = {}
    for member, home in network.node_homes.items():
        name = "node" if engine == "solo" else f"{member}-node"
        processes.start(name, "node", "run", str(home))
        nodes[name] = f"{network.nodes[member]}/v1/health"
    await processes.wait_until_up(nodes, network.chain)
    for member in network.gateways:
        processes.start(member, "gateway", "run", str(network.home(member)))
    doors = {member: f"{url}/health" for member, url in network.gateways.items()}
    await processes.wait_until_up(doors, network.chain)
    narrator.say(f"Everything is in {network.folder}")
    nodes_do = "the node answers" if engine == "solo" else "four nodes commit"
    narrator.expect(len(doors) == len(FOUNDERS), f"{nodes_do}, and four gateways answer")
    return network


async def assemble(network: Network, deliveries: list[Delivery], narrator: Narrator) -> Cast:
    """Take the records in, then give Dr Cho her account and the patient her wallet."""
    narrator.step(
        "Real FHIR goes in, sealed",
        "Each resource is checked, sealed under its patient's own key and committed to. The ledger "
        "gets commitments and no clinical data.",
    )
    await _ingest(network, deliveries, narrator)
    hers = {one.organisation: one for one in deliveries if one.patient is not None}
    body = hers[RIVERSIDE].body
    local = {str(member): hers[member].patient or "" for member in (RIVERSIDE, LAKEVIEW)}
    found = [
        await asyncio.to_thread(search_ledger, home / "ledger", body)
        for home in network.node_homes.values()
    ]
    narrator.expect(
        not any(found), "no name, birth date, number or drug of hers is in any ledger's file"
    )
    async with RemoteNode(network.nodes[LAKEVIEW]) as node:
        cho = await casting.enrol_cho(network, node, network.folder)
    await casting.give_wallet(network, network.folder / casting.WALLET, local)
    name = casting.name_in(body)
    narrator.say(f"{name} claimed her accounts at Riverside and Lakeview.")
    narrator.say("They are two different ones, so that nobody can join them from the ledger.")
    return Cast(
        network=network,
        name=name,
        local=local,
        wallet=network.folder / casting.WALLET,
        credential=network.folder / casting.CREDENTIAL,
        cho=cho,
    )


async def _ingest(network: Network, deliveries: list[Delivery], narrator: Narrator) -> None:
    total = sum(one.resources for one in deliveries)
    with narrator.progress("ingesting", total) as advance:
        loads = [
            casting.ingest(
                network, member, [one for one in deliveries if one.organisation == member], advance
            )
            for member in network.gateways
        ]
        refused = [one for refusals in await asyncio.gather(*loads) for one in refusals]
    for one in refused[:5]:
        narrator.say(f"[red]{one}[/red]")
    narrator.expect(not refused, f"{total:,} resources were taken in")
