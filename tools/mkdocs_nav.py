"""Puts every page of docs/ into the navigation by its folder, so that a new page needs no entry."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig

FOLDERS = {
    "tutorial": "Tutorial",
    "how-to": "How to",
    "reference": "Reference",
    "explanation": "Explanation",
    "spec": "Specification",
    "decisions": "Decisions",
}


def pages(docs: Path, folder: str) -> list[str]:
    """The pages of a folder in order of name, its index first."""
    found = (path.relative_to(docs).as_posix() for path in (docs / folder).glob("**/*.md"))
    return sorted(found, key=lambda page: (not page.endswith("/index.md"), page))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Called by mkdocs before it looks for pages."""
    docs = Path(config.docs_dir)
    sections = {title: pages(docs, folder) for folder, title in FOLDERS.items()}
    config.nav = ["index.md", *({title: found} for title, found in sections.items() if found)]
    return config
