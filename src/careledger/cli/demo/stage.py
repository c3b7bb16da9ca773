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
from careledger.node.founding import Network, found


async def open_network(
    folder: Path, port: int, processes: Processes, narrator: Narrator
) -> Network:
    """Found the four organisations in `folder` and start a node and a gateway each."""
    narrator.step(
        "Four organisations begin",
        "Two hospitals, a payer and a pharmacy. Each has its own keys, gateway and sealed vault; "
        "one node orders what all of them agree on.",
    )
    network = found(folder, FOUNDERS, name="demo", time=wall_clock(), first_port=port)
    processes.start("node", "node", "run", str(network.node_home))
    await processes.wait_until_up({"node": f"{network.node_url}/v1/health"}, network.chain)
    for member in network.gateways:
        processes.start(member, "gateway", "run", str(network.home(member)))
    doors = {member: f"{url}/health" for member, url in network.gateways.items()}
    await processes.wait_until_up(doors, network.chain)
    narrator.say(f"Everything is in {network.folder}")
    narrator.expect(len(doors) == len(FOUNDERS), "the node and four gateways answer")
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
    found = await asyncio.to_thread(search_ledger, network.node_home / "ledger", body)
    narrator.expect(
        not found, "no name, birth date, number or drug of hers is in the ledger's file"
    )
    async with RemoteNode(network.node_url) as node:
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
