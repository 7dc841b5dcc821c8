"""OAuth tokens: generated with the keys, good for 900 seconds, for the scopes they were asked for.

Guesses, where the documents are silent: a missing `grant_type` is an invalid one, a missing `scope` an invalid
scope; beyond 1,000 live tokens no more are given (400, `oauth_tokens_limit_exceeded`).
"""

from __future__ import annotations

from typing import Any, Final

from voucherify_async.emulator.catalogue import Mark
from voucherify_async.emulator.identifiers import Identifiers
from voucherify_async.emulator.problems import ServiceError, unauthorized

__all__ = ["Tokens"]

_MAX_LIVE: Final = 1000
# The allowed values, from oauth.json.
_SCOPES: Final = frozenset(
    [
        "api",
        "assets",
        "async-actions",
        "campaigns",
        "categories",
        "client_api",
        "client_consents",
        "client_customers",
        "client_events",
        "client_promotions",
        "client_publish",
        "client_qualifications",
        "client_redeem",
        "client_redemptions",
        "client_validate",
        "client_validations",
        "client_vouchers",
        "consents",
        "customers",
        "events",
        "exports",
        "locations",
        "loyalties",
        "metadata-schemas",
        "orders",
        "product-collections",
        "products",
        "promotions",
        "publications",
        "qualifications",
        "redemptions",
        "referrals",
        "rewards",
        "segments",
        "skus",
        "task-results",
        "templates",
        "trash-bin",
        "validation-rules-assignments",
        "validation-rules",
        "validations",
        "vouchers",
    ]
)


class Tokens:
    """The live tokens of the project."""

    def __init__(self, identifiers: Identifiers, mark: Mark) -> None:
        self._identifiers = identifiers
        self._mark = mark
        self._live: dict[str, dict[str, Any]] = {}
        self.expires_in = 900

    def restore(self, kept: dict[str, Any]) -> None:
        """Take up what was stored."""
        self._live[kept["access_token"]] = kept

    def generate(self, form: dict[str, str], client_id: str, now: float) -> dict[str, Any]:
        """A new token. Raises 400s."""
        if form.get("grant_type") != "client_credentials":
            raise ServiceError(400, "invalid_grant_type", "Invalid grant_type")
        scope = form.get("scope", "")
        unknown = [one for one in scope.split() if one not in _SCOPES]
        if unknown or not scope.split():
            raise ServiceError(400, "invalid_scope", f"Invalid scope: {' '.join(unknown)}")
        self._forget_expired(now)
        if len(self._live) >= _MAX_LIVE:
            raise ServiceError(
                400,
                "oauth_tokens_limit_exceeded",
                "OAuth tokens limit exceeded",
                f"A project can have {_MAX_LIVE} OAuth tokens",
            )
        token: dict[str, Any] = {
            "access_token": self._identifiers.access_token(),
            "client_id": client_id,
            "expires_at": int(now + self.expires_in),
            "expires_in": self.expires_in,
            "scope": scope,
            "token_type": "Bearer",
        }
        self._live[token["access_token"]] = token
        self._mark("token", token["access_token"], token)
        return token

    def introspect(self, form: dict[str, str], now: float) -> dict[str, Any]:
        """What is known of a token."""
        token = self._find(_required(form), now)
        if token is None:
            return {"active": False}
        return {**token, "expires_in": max(0, int(token["expires_at"] - now)), "active": True}

    def revoke(self, form: dict[str, str], now: float) -> bool:
        """End a token; whether there was one."""
        token = self._find(_required(form), now)
        if token is None:
            return False
        self._drop(token["access_token"])
        return True

    def scopes(self, access_token: str, now: float) -> frozenset[str]:
        """What this token allows. Raises the 401."""
        token = self._find(access_token, now)
        if token is None:
            raise unauthorized("The OAuth token is unknown or has expired")
        return frozenset(token["scope"].split())

    def _find(self, access_token: str, now: float) -> dict[str, Any] | None:
        token = self._live.get(access_token)
        return token if token is not None and token["expires_at"] > now else None

    def _forget_expired(self, now: float) -> None:
        for token in [one for one in self._live.values() if one["expires_at"] <= now]:
            self._drop(token["access_token"])

    def _drop(self, access_token: str) -> None:
        del self._live[access_token]
        self._mark("token", access_token, None)


def _required(form: dict[str, str]) -> str:
    if not form.get("access_token"):
        raise ServiceError(400, "missing_parameters", "Missing parameters")
    return form["access_token"]
