"""The tokens of ServiceAccounts: a Secret that asks for one gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.service_accounts import fill_tokens
from maintenance_ci.rehearsal.controllers.level import keep_level

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Store


class Tokens:
    """Fills in the Secrets; ``ca`` is the certificate of the API server's CA (PEM)."""

    def __init__(self, store: Store, ca: str) -> None:
        self._store, self._ca = store, ca

    async def run(self) -> None:
        """Run until cancelled."""
        await keep_level(self._store, ("secrets", "serviceaccounts"), lambda: fill_tokens(self._store, self._ca))
