"""For browser tests of hanging: which protocol hangs the study, and what is in the viewports."""

from __future__ import annotations

from playwright.sync_api import Page

HUNG = (
    "(id) => window.__filmless?.viewer?.hanging.matches[window.__filmless.viewer.hanging.current]?.protocol.id === id"
)
SHOWN = """() => { const v = window.__filmless.viewer; return v.viewports().map(id => {
  const pane = v.viewport(id); return pane.imageId?.split('/instances/')[1]?.split('/')[0] ?? null; }) }"""
READY = """() => { const v = window.__filmless.viewer; return v.viewports().every(id => {
  const pane = v.viewport(id); return pane.status === 'empty' || (pane.status === 'ready' && pane.shown === pane.index
  && pane.values()); }) }"""


def hung(page: Page, protocol: str) -> list[str | None]:
    """The instances in the viewports once a protocol hangs them."""
    page.wait_for_function(HUNG, arg=protocol)
    page.wait_for_function(READY)
    shown: list[str | None] = page.evaluate(SHOWN)
    return shown
