"""`careledger network`: founding a network in which each member has a node, joining, watching."""

from pathlib import Path

import click

from careledger.cli.misbehaviour import misbehaviour

_PORT = click.IntRange(1, 65_000)


@click.group()
def network() -> None:
    """Found a network of several nodes, or join one; see who broke its rules."""


network.add_command(misbehaviour)


@network.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--members",
    metavar="ID,ID,...",
    default="",
    help="Members from the start, such as `hospital,clinic,payer,pharmacy`. What each is, is taken "
    "from its id, and provider without a hint.",
)
@click.option(
    "--member",
    "named",
    multiple=True,
    metavar="ID:NAME:ROLES",
    help="A member with a name and roles, such as `riverside:Riverside Hospital:provider`. May be "
    "given more than once, and beside --members.",
)
@click.option("--name", default="CareLedger", show_default=True, help="What the network is called.")
@click.option(
    "--port",
    default=7400,
    show_default=True,
    type=_PORT,
    help="Port of the first node; gateways follow from 10 above it, engines from 20 above it.",
)
@click.option("--paper-consent", is_flag=True, help="Accept consent on paper, attested at a desk.")
def init(
    folder: Path, members: str, named: tuple[str, ...], name: str, port: int, *, paper_consent: bool
) -> None:
    """Found a network in FOLDER on this machine, with a node and a gateway for each member.

    For trials. Members who do not share a machine begin with `careledger network card`.
    """
    from careledger.cli.clock import wall_clock
    from careledger.ledger.membership import NetworkParameters
    from careledger.node.consortium import found_consortium, founder

    ids = [one for one in members.split(",") if one]
    network = found_consortium(
        folder,
        [founder(text) for text in (*ids, *named)],
        name=name,
        time=wall_clock(),
        parameters=NetworkParameters(paper_consent=paper_consent),
        first_port=port,
    )
    click.echo(f"Network {name}, chain {network.chain.hex()[:16]}..., in {folder}")
    for member, home in network.node_homes.items():
        click.echo(f"  {member:12} careledger node run {home}")
        click.echo(f"  {'':12} careledger gateway run {network.home(member)}")
    click.echo(f"  trust file   {network.trust_file}: give it to whoever is to verify something")


@network.command()
@click.argument("home", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--member",
    required=True,
    metavar="ID:NAME:ROLES",
    help="Who you are, such as `riverside:Riverside Hospital:provider`; several roles with commas.",
)
@click.option("--gateway", required=True, metavar="URL", help="Where others reach your gateway.")
@click.option("--node", required=True, metavar="URL", help="Where others reach your node's API.")
@click.option(
    "--engine", required=True, metavar="HOST:PORT", help="Where others reach your node's engine."
)
def card(home: Path, member: str, gateway: str, node: str, engine: str) -> None:
    """Make all keys of a member in HOME, and its card, which is public.

    Send HOME/card.json to the others, and nothing else of HOME. Read them the fingerprint.
    """
    from careledger.node.card import CARD_FILE, make_card
    from careledger.node.consortium import founder

    who = founder(member)
    made = make_card(
        home,
        member=who.id,
        name=who.name,
        roles=who.roles,
        gateway=gateway,
        node=node,
        engine=engine,
    )
    click.echo(f"Keys of {who.name} are in {home}; back them up, they are nowhere else.")
    click.echo(f"Card         {home / CARD_FILE}")
    click.echo(f"Fingerprint  {_grouped(made.fingerprint)}")


_CARDS = click.argument(
    "cards",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)


@network.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@_CARDS
@click.option("--name", required=True, help="What the network is called.")
@click.option(
    "--time",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="When it begins (UTC, since 1970); now if it is not given. From the same cards, name and "
    "time comes the same file, so every member can see what it agrees to.",
)
@click.option("--paper-consent", is_flag=True, help="Accept consent on paper, attested at a desk.")
def found(
    folder: Path, cards: tuple[Path, ...], name: str, time: int | None, *, paper_consent: bool
) -> None:
    """Make the genesis file and the trust file of a network of the members on CARDS, in FOLDER.

    One member does it and sends both files and all cards to everybody.
    """
    from careledger.cli.clock import wall_clock
    from careledger.ledger.genesis import load_genesis
    from careledger.ledger.membership import NetworkParameters
    from careledger.node.card import load_card
    from careledger.node.config import BadConfiguration
    from careledger.node.consortium import founding_members, genesis_of, trust_of
    from careledger.node.founding import GENESIS_FILE, TRUST_FILE
    from careledger.verify.trust import format_trust

    if (folder / GENESIS_FILE).exists():
        raise BadConfiguration(f"{folder / GENESIS_FILE} is there already: choose another folder")
    loaded = [load_card(path) for path in cards]
    for one in loaded:
        click.echo(f"  {one.face.member:12} {one.face.name}: {_grouped(one.fingerprint)}")
    begins = time or wall_clock()
    data = genesis_of(
        loaded, name=name, time=begins, parameters=NetworkParameters(paper_consent=paper_consent)
    )
    chain, genesis = load_genesis(data)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GENESIS_FILE).write_bytes(data)
    trust = trust_of(chain, founding_members(genesis).values())
    (folder / TRUST_FILE).write_text(format_trust(trust))
    click.echo(f"Chain {chain.hex()}, beginning at --time {begins}")
    click.echo(f"{folder} holds {GENESIS_FILE} and {TRUST_FILE}: send both, and the cards, to all.")


@network.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("genesis", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_CARDS
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen, for people.")
@click.option("--node-port", default=7400, show_default=True, type=_PORT)
@click.option("--gateway-port", default=7410, show_default=True, type=_PORT)
@click.option(
    "--engine-listen",
    default="0.0.0.0:7420",
    show_default=True,
    metavar="HOST:PORT",
    help="Where your engine takes the others' connections.",
)
def configure(
    home: Path,
    genesis: Path,
    cards: tuple[Path, ...],
    host: str,
    node_port: int,
    gateway_port: int,
    engine_listen: str,
) -> None:
    """Write node.toml and gateway.toml in HOME for the network of GENESIS and the other CARDS.

    Run it again when a member has joined or moved: it replaces both files, and nothing else.
    """
    from careledger.ledger.genesis import load_genesis
    from careledger.node.card import NODE_FOLDER, load_card
    from careledger.node.consortium import Doors, settle

    data = genesis.read_bytes()
    doors = Doors(host=host, node_port=node_port, gateway_port=gateway_port, engine=engine_listen)
    settle(home, data, [load_card(path) for path in cards], doors)
    chain, _ = load_genesis(data)
    click.echo(f"Chain {chain.hex()}: compare it with the others before you start.")
    click.echo(f"  node     careledger node run {home / NODE_FOLDER}")
    click.echo(f"  gateway  careledger gateway run {home}")


@network.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("genesis", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def motion(home: Path, genesis: Path) -> None:
    """Print the motion by which the network of GENESIS would let the member in HOME in.

    A member proposes it: `careledger governance propose --motion "$(cat motion.json)" ...`.
    """
    import msgspec

    from careledger.ledger.genesis import load_genesis
    from careledger.node.card import CARD_FILE, admission, load_card

    chain, _ = load_genesis(genesis.read_bytes())
    made = admission(home, load_card(home / CARD_FILE), chain)
    click.echo(msgspec.json.encode(made).decode())


def _grouped(fingerprint: bytes) -> str:
    """For people who read it to one another: eight groups of four; 128 bits."""
    text = fingerprint.hex()[:32]
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
