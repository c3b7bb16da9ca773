"""Faults of every way to a resource, each of which the two worlds must notice."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from careledger.exchange.limits import Limits
from careledger.fhir.search import engine
from careledger.gateway.outcome import Refused
from careledger.mechanisms.terms import Provision, Terms
from careledger.vault.deposit import DIRECTORY_TYPES
from tests.rule.patching import Fault, Replace, all_of, hidden, is_hidden, peek

REACH = "careledger.exchange.reach:Reach"
HOLDINGS = "careledger.exchange.holdings:Holdings"
PERMITS = "careledger.exchange.permits:Permits"
PARTNERS = "careledger.exchange.partners:Partners"
FINDING = "careledger.exchange.writer:Finding"
EXPORT = "careledger.exchange.bulk.writing:Writer"
RUN = "careledger.fhir.search.engine:_Run"
TOKEN = "careledger.gateway.auth_limits:TokenLimits"


def always(answer: Any) -> Replace:
    return lambda _: lambda *_, **__: answer


# --- reads ---------------------------------------------------------------------------------------


def _opens(*, older: bool) -> Replace:
    """Reads of what is withheld answer."""

    def patch(original: Any) -> Any:
        def open_version(self: Any, type_: str, id_: str, version: int | None = None) -> Any:
            found = original(self, type_, id_, version)
            if found is None and older == (version is not None):
                return peek(self._vault, type_, id_, version)
            return found

        return open_version

    return patch


def _older_only(original: Any) -> Any:
    def open_version(self: Any, type_: str, id_: str, version: int | None = None) -> Any:
        found = original(self, type_, id_, version)
        if found is None and version is not None and self.get(type_, id_) is not None:
            return peek(self._vault, type_, id_, version)
        return found

    return open_version


def _says_so(original: Any) -> Any:
    """A read of what is withheld is forbidden, one of what is absent is not found."""

    def _open(self: Any, caller: Any, type_: str, id_: str, version: int | None) -> Any:
        found = original(self, caller, type_, id_, version)
        vault = self._services.organisation.vault
        if found is None and vault.owner(type_, id_) is not None:
            raise Refused(403, "forbidden", "the patient does not allow it")
        return found

    return _open


def _not_found_says_whose(original: Any) -> Any:
    def _open(self: Any, caller: Any, type_: str, id_: str, version: int | None) -> Any:
        found = original(self, caller, type_, id_, version)
        if found is None and peek(self._services.organisation.vault, type_, id_) is not None:
            raise Refused(404, "not-found", f"no {type_} that you may see")
        return found

    return _open


def _etag_counts_all(original: Any) -> Any:
    return lambda opened: original(opened) | {"ETag": f'W/"{opened.seq}"'}


# --- histories -----------------------------------------------------------------------------------


def _history_of_one(original: Any) -> Any:
    def history(self: Any, type_: Any = None, id_: Any = None, *rest: Any, **more: Any) -> Any:
        found = list(original(self, type_, id_, *rest, **more))
        if not found and type_ and id_:
            found = [one for one in (peek(self._vault, type_, id_),) if one is not None]
        return iter(found)

    return history


def _history_of(several: str) -> Replace:
    """The history of a type, or of all, has what is withheld."""

    def patch(original: Any) -> Any:
        def history(self: Any, type_: Any = None, id_: Any = None, *rest: Any, **more: Any) -> Any:
            yield from original(self, type_, id_, *rest, **more)
            if id_ is None and (type_ is None) == (several == "all"):
                for node in hidden(self, type_):
                    opened = peek(self._vault, node.type, node.id)
                    if opened is not None:
                        yield opened

        return history

    return patch


def _current_at(original: Any) -> Any:
    def current_at(self: Any, time: Any, type_: Any = None, *rest: Any, **more: Any) -> Any:
        yield from original(self, time, type_, *rest, **more)
        for node in hidden(self, type_)[:1]:
            yield peek(self._vault, node.type, node.id)

    return current_at


# --- searches ------------------------------------------------------------------------------------


def _also_hidden(*, named: bool, typed: bool) -> Replace:
    """What is withheld is among the matches, and is left out when bodies are opened."""

    def patch(original: Any) -> Any:
        def of_type(self: Any, type_: Any, patients: Any, test: Any) -> Iterator[Any]:
            yield from original(self, type_, patients, test)
            if (patients is not None) == named and (type_ is not None) == typed:
                for node in all_of(self._vault).of_type(type_, patients, test):
                    if self._holdings.get(node.type, node.id) is None:
                        yield node

        return of_type

    return patch


def _counts_all(original: Any) -> Any:
    def run(search: Any, graph: Any, after: Any = None, **more: Any) -> Any:
        if search.counts_only:
            return original(search, all_of(graph._vault), after, **more)
        return original(search, graph, after, **more)

    return run


def _totals_all(original: Any) -> Any:
    def run(search: Any, graph: Any, after: Any = None, **more: Any) -> Any:
        page = original(search, graph, after, **more)
        if page.total is None or search.counts_only:
            return page
        every = sum(1 for _ in engine.every(search, all_of(graph._vault)))
        return replace(page, total=every)

    return run


def _filters_after_paging(original: Any) -> Any:
    def run(search: Any, graph: Any, after: Any = None, **more: Any) -> Any:
        if search.counts_only:
            return original(search, graph, after, **more)
        true = original(search, graph, None, **more)
        page = original(replace(search, includes=()), all_of(graph._vault), after, **more)
        seen = [one for one in (graph.get(n.type, n.id) for n in page.matches) if one is not None]
        return replace(page, matches=seen, total=true.total)

    return run


def _order_tells(original: Any) -> Any:
    """Where something is withheld the order is another."""

    def run(search: Any, graph: Any, after: Any = None, **more: Any) -> Any:
        page = original(search, graph, after, **more)
        if hidden(graph, page.matches[0].type if page.matches else None):
            page = replace(page, matches=list(reversed(page.matches)))
        return page

    return run


def _get_gives_all(original: Any) -> Any:
    return lambda self, type_, id_: (
        original(self, type_, id_) or all_of(self._vault).get(type_, id_)
    )


def _open_gives_all(original: Any) -> Any:
    def open_each(self: Any, nodes: Any) -> Iterator[Any]:
        for node, opened in zip(nodes, original(self, nodes), strict=True):
            yield opened or peek(self._vault, node.type, node.id)

    return open_each


def _include_gives_all(original: Any) -> Any:
    def _forward(include: Any, frontier: Any, graph: Any, met: Any) -> Any:
        return original(include, frontier, all_of(graph._vault), met)

    return _forward


def _include_beyond_scopes(original: Any) -> Any:
    """Includes are decided on by consent alone."""

    def _forward(include: Any, frontier: Any, graph: Any, met: Any) -> Any:
        frontier = list(frontier)
        yield from original(include, frontier, graph, met)
        for node in original(include, frontier, all_of(graph._vault), met):
            if node.type in DIRECTORY_TYPES and node.type != "Group":
                yield node

    return _forward


def _revinclude_gives_all(original: Any) -> Any:
    def _backward(include: Any, frontier: Any, search: Any, graph: Any) -> Any:
        return original(include, frontier, search, all_of(graph._vault))

    return _backward


def _include_is_cut_short(original: Any) -> Any:
    """An include ends where it comes upon something withheld."""

    def _forward(include: Any, frontier: Any, graph: Any, met: Any) -> Any:
        for node in list(frontier):
            shown = list(original(include, [node], graph, met))
            there = list(original(include, [node], all_of(graph._vault), met))
            yield from shown
            if len(shown) < len(there):
                return

    return _forward


def _most_included_counts_all(original: Any) -> Any:
    """The bound on what is included counts what is withheld."""

    def included(search: Any, matches: Any, graph: Any) -> Any:
        found, issues = original(search, matches, graph)
        every, _ = original(search, matches, all_of(graph._vault))
        return (found, issues) if len(every) <= 6 else (found[:3], issues)

    return included


def _in_everything(name: str) -> Replace:
    """Part of a search is asked of everything there is."""

    def patch(original: Any) -> Any:
        def asked(self: Any, *given: Any) -> Any:
            mine = self._graph
            self._graph = mine if not hasattr(mine, "_vault") else all_of(mine._vault)
            try:
                return original(self, *given)
            finally:
                self._graph = mine

        asked.__name__ = name
        return asked

    return patch


def _refers_everywhere(original: Any) -> Any:
    def _holds(self: Any, test: Any, name: Any) -> bool:
        node = all_of(self._graph._vault).get(*name)
        return node is not None and test(node)

    del original
    return _holds


# --- exports -------------------------------------------------------------------------------------


def _writes_all(original: Any) -> Any:
    def _patient(self: Any, reach: Any, local: str) -> None:
        original(self, reach, local)
        vault = reach._vault
        for node in all_of(vault).of_type(None, frozenset((local,)), lambda _: True):
            if is_hidden(reach, node.type, node.id):
                self._line(local, peek(vault, node.type, node.id))

    return _patient


def _deletions_of_all(original: Any) -> Any:
    def deleted(self: Any, local: str, since: Any) -> Any:
        yield from original(self, local, since)
        ref = self._vault.patient(local)
        patient = self._vault._opener._patients.patient(ref)
        for one in self._vault._opener.index(patient, until=2**53).entries.values():
            if one.deleted and self._holdings.unseal(one.type, one.id) is None:
                yield peek(self._vault, one.type, one.id)

    return deleted


def _deletions_of_the_family(original: Any) -> Any:
    del original
    return lambda self, opened, local: True


def _everything_refers_to_all(original: Any) -> Any:
    def _included(reach: Any, matches: Any, asked: Any) -> Any:
        found = original(reach, matches, asked)
        met = {(one.type, one.id) for one in found}
        for node in hidden(reach):
            if node.type in DIRECTORY_TYPES - {"Group"} and (node.type, node.id) not in met:
                found.append(peek(reach._vault, node.type, node.id))
        return found

    return _included


# --- consent -------------------------------------------------------------------------------------


def _own_account_only(original: Any) -> Any:
    return lambda self, asker, action, accounts, now: original(
        self, asker, action, accounts if asker.account else accounts[:1], now
    )


def _anybody_is_oneself(original: Any) -> Any:
    def decide(self: Any, asker: Any, action: Any, accounts: Any, now: Any) -> Any:
        if asker.account is not None:
            accounts = [asker.account]
        return original(self, asker, action, accounts, now)

    return decide


def _always_as(action: str) -> Replace:
    def patch(original: Any) -> Any:
        return lambda self, asker, _, accounts, now: original(self, asker, action, accounts, now)

    return patch


def _terms_that_are_missing_say_nothing(original: Any) -> Any:
    nothing = Terms(base=Provision(effect="deny", types=("Basic",)))
    return lambda *given: original(*given) or nothing


def _remembers_over_blocks(original: Any) -> Any:
    return lambda self, question, now: original(self, question, replace(now, height=1))


def _unconfined(original: Any) -> Any:
    del original
    return property(lambda _: None)


def _partner_sees_the_directory(original: Any) -> Any:
    def _confined(self: Any, session: Any, limits: Limits) -> Limits:
        return Limits(original(self, session, limits).patient, limits.visible)

    return _confined


def _partner_sees_everybody(original: Any) -> Any:
    def _confined(self: Any, session: Any, limits: Limits) -> Limits:
        return Limits(None, original(self, session, limits).visible)

    return _confined


def _partner_beyond_scopes(original: Any) -> Any:
    def _confined(self: Any, session: Any, limits: Limits) -> Limits:
        return original(self, session, Limits(limits.patient))  # type: ignore[no-any-return] # patched

    return _confined


# --- changes -------------------------------------------------------------------------------------


def _finds_all(original: Any) -> Any:
    def find(self: Any, type_: str, criteria: str) -> Any:
        mine = type(self)._graph
        type(self)._graph = lambda one, *_: all_of(one._vault)
        try:
            return original(self, type_, criteria)
        finally:
            type(self)._graph = mine

    return find


def _resolves_all(original: Any) -> Any:
    def resolve(self: Any, reference: str) -> Any:
        mine = type(self)._graph
        type(self)._graph = lambda one, *_: all_of(one._vault)
        try:
            return original(self, reference)
        finally:
            type(self)._graph = mine

    return resolve


def _there_if_anywhere(original: Any) -> Any:
    return lambda self, type_, id_: (
        original(self, type_, id_) or (all_of(self._vault).get(type_, id_) is not None)
    )


def _a_patient_if_any(original: Any) -> Any:
    return lambda self, local: original(self, local) or self._vault.patient(local) is not None


def _patches_all(original: Any) -> Any:
    return lambda self, type_, id_: original(self, type_, id_) or peek(self._vault, type_, id_)


def _keeps_records(original: Any) -> Any:
    """Whoever may write is taken for one of the organisation's systems."""

    def writing_caller(request: Any, services: Any) -> Any:
        return replace(original(request, services), keeps_records=True)

    return writing_caller


FAULTS: tuple[Fault, ...] = tuple(
    Fault(name, tuple(places))
    for name, *places in (
        ("a read opens what is withheld", (f"{REACH}.open_version", _opens(older=False))),
        ("a version of what is withheld", (f"{REACH}.open_version", _opens(older=True))),
        ("a withheld version, read by its number", (f"{REACH}.open_version", _older_only)),
        (
            "withheld is forbidden, absent is not found",
            ("careledger.gateway.fhir_read:Reads._open", _says_so),
        ),
        (
            "an error message names what is withheld",
            ("careledger.gateway.fhir_read:Reads._open", _not_found_says_whose),
        ),
        (
            "entity tags count over all patients",
            ("careledger.gateway.fhir_read:version_headers", _etag_counts_all),
            ("careledger.gateway.fhir_http:version_headers", _etag_counts_all),
        ),
        (
            "older versions are not asked about in the vault's history",
            ("careledger.vault.history:covers", always(answer=True)),
        ),
        ("the history of a resource that is withheld", (f"{REACH}.history", _history_of_one)),
        ("a type's history has what is withheld", (f"{REACH}.history", _history_of("type"))),
        ("the whole history has what is withheld", (f"{REACH}.history", _history_of("all"))),
        ("a history at a time has what is withheld", (f"{REACH}.current_at", _current_at)),
        (
            "a search on a type matches what is withheld",
            (f"{REACH}.of_type", _also_hidden(named=False, typed=True)),
        ),
        (
            "a search over a patient matches what is withheld",
            (f"{REACH}.of_type", _also_hidden(named=True, typed=True)),
        ),
        (
            "a search over all types matches what is withheld",
            (f"{REACH}.of_type", _also_hidden(named=False, typed=False)),
        ),
        (
            "a record's compartment and $everything count what is withheld",
            (f"{REACH}.of_type", _also_hidden(named=True, typed=False)),
        ),
        (
            "_summary=count counts what is withheld",
            ("careledger.gateway.fhir_search:search_in", _counts_all),
        ),
        (
            "a total counts what is withheld",
            ("careledger.gateway.fhir_search:search_in", _totals_all),
        ),
        (
            "pages are cut before they are filtered",
            ("careledger.gateway.fhir_search:search_in", _filters_after_paging),
        ),
        (
            "the order tells that something is withheld",
            ("careledger.gateway.fhir_search:search_in", _order_tells),
        ),
        ("_id finds what is withheld", (f"{REACH}.get", _get_gives_all)),
        (
            "_include brings what is withheld",
            ("careledger.fhir.search.include:_forward", _include_gives_all),
            (f"{REACH}.open_each", _open_gives_all),
        ),
        (
            "_include goes beyond the token's scopes",
            ("careledger.fhir.search.include:_forward", _include_beyond_scopes),
            (f"{REACH}.open_each", _open_gives_all),
        ),
        (
            "_revinclude brings what is withheld",
            ("careledger.fhir.search.include:_backward", _revinclude_gives_all),
            (f"{REACH}.open_each", _open_gives_all),
        ),
        (
            "an include is cut short where something is withheld",
            ("careledger.fhir.search.include:_forward", _include_is_cut_short),
        ),
        (
            "the bound on includes counts what is withheld",
            ("careledger.fhir.search.engine:included", _most_included_counts_all),
        ),
        ("_has asks everything", (f"{RUN}._has", _in_everything("_has"))),
        ("a chain ends in what is withheld", (f"{RUN}._far", _in_everything("_far"))),
        ("a chain follows references to what is withheld", (f"{RUN}._holds", _refers_everywhere)),
        (
            "$everything brings directory entries beyond the scopes",
            ("careledger.gateway.fhir_everything:_included", _everything_refers_to_all),
        ),
        ("an export is written with what is withheld", (f"{EXPORT}._patient", _writes_all)),
        (
            "an export is not looked at again when it is fetched",
            ("careledger.exchange.bulk.writing:_stands", always(answer=True)),
        ),
        ("an export has withheld deletions", (f"{REACH}.deleted", _deletions_of_all)),
        (
            "a merged patient's deletions stand twice",
            (f"{REACH}._is_own", _deletions_of_the_family),
        ),
        (
            "only the first permit of a merged patient is asked",
            ("careledger.exchange.holdings:Holding.rest_covers", always(answer=True)),
        ),
        ("only the own account of a merged patient", (f"{PERMITS}.decide", _own_account_only)),
        ("a patient is taken for another", (f"{PERMITS}.decide", _anybody_is_oneself)),
        ("a denial of searching is not asked", (f"{PERMITS}.decide", _always_as("read"))),
        ("a denial of reading is not asked", (f"{PERMITS}.decide", _always_as("search"))),
        (
            "terms that have not come say nothing",
            ("careledger.mechanisms.workforce:_terms", _terms_that_are_missing_say_nothing),
        ),
        (
            "any purpose will do",
            ("careledger.mechanisms.workforce:includes", always(answer=True)),
        ),
        ("what was permitted stays so over blocks", (f"{PERMITS}._answer", _remembers_over_blocks)),
        ("a Binary goes without its documents", (f"{HOLDINGS}._goes_with", always(answer=True))),
        (
            "what an older version had as its content goes free",
            ("careledger.vault.deposit:with_attached", lambda _: lambda facts, before: facts),
        ),
        ("the patient of a launch does not confine", (f"{TOKEN}.confined_to", _unconfined)),
        ("a patient's scopes reach everybody", (f"{TOKEN}._is_about", always(answer=True))),
        (
            "restrictions of scopes are not asked",
            ("careledger.gateway.auth_limits:is_within", always(answer=True)),
        ),
        ("scopes only open the door", (f"{TOKEN}.visible", always(answer=True))),
        (
            "everybody sees who is on a roster",
            ("careledger.exchange.reach:ROSTERS", lambda _: frozenset()),
        ),
        (
            "a grant opens what is denied as another, merged patient",
            ("careledger.exchange.partners:check_merged", always(answer=None)),
        ),
        (
            "another member sees the directory",
            (f"{PARTNERS}._confined", _partner_sees_the_directory),
        ),
        ("another member sees everybody", (f"{PARTNERS}._confined", _partner_sees_everybody)),
        (
            "another member's scopes are not asked",
            (f"{PARTNERS}._confined", _partner_beyond_scopes),
        ),
        ("conditions are compared with everything", (f"{FINDING}.find", _finds_all)),
        ("conditional references lead everywhere", (f"{FINDING}.resolve", _resolves_all)),
        ("an id that is withheld is taken", (f"{FINDING}.is_there", _there_if_anywhere)),
        (
            "references to what is withheld are let in",
            (f"{FINDING}.may_refer_to", _there_if_anywhere),
        ),
        ("a withheld patient is one to write for", (f"{FINDING}.is_patient", _a_patient_if_any)),
        ("a patch changes what is withheld", (f"{FINDING}.current", _patches_all)),
        (
            "$import takes from anybody",
            ("careledger.gateway.bulk_import:writing_caller", _keeps_records),
        ),
        (
            "whoever writes keeps records",
            ("careledger.gateway.fhir_write:writing_caller", _keeps_records),
        ),
    )
)
