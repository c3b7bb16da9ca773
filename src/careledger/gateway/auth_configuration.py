"""What the gateway says of its own sign-in: to SMART, OpenID and plain FHIR clients.

SMART App Launch 2.2, 7 (Conformance); OpenID Connect Discovery 1.0, 3.
"""

from typing import Final

from careledger.gateway.auth_id_token import ALGORITHM
from careledger.gateway.auth_keys import CLIENT_ALGORITHMS, SIGNING_ALGORITHMS
from careledger.gateway.auth_scopes import EXTRAS
from careledger.gateway.services import AUTH_PATH, GatewayServices

SMART: Final = "/.well-known/smart-configuration"
OPENID: Final = "/.well-known/openid-configuration"
JWKS: Final = AUTH_PATH + "/jwks"
AUTHORIZE: Final = AUTH_PATH + "/authorize"
INTROSPECT: Final = AUTH_PATH + "/introspect"
REVOKE: Final = AUTH_PATH + "/revoke"

_OAUTH_URIS: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SECURITY_SERVICE: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"

_ALWAYS: Final = (
    "client-confidential-asymmetric",
    "permission-v1",
    "permission-v2",
)
_FOR_APPS: Final = (
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "sso-openid-connect",
    "context-standalone-patient",
    "context-banner",
    "permission-patient",
    "permission-offline",
    "permission-online",
)
_FOR_STAFF: Final = (
    "launch-ehr",
    "context-ehr-patient",
    "context-ehr-encounter",
    "permission-user",
)


def smart_configuration(services: GatewayServices) -> dict[str, object]:
    """What SMART clients look for first."""
    base, algorithms = services.base_url, dict.fromkeys((*CLIENT_ALGORITHMS, *SIGNING_ALGORITHMS))
    capabilities = [*_ALWAYS]
    if not services.clients.is_empty:
        capabilities += _FOR_APPS
        capabilities += _FOR_STAFF if services.provider is not None else ()
    return {
        "issuer": base,
        "jwks_uri": base + JWKS,
        "authorization_endpoint": base + AUTHORIZE,
        "token_endpoint": services.token_url,
        "introspection_endpoint": base + INTROSPECT,
        "revocation_endpoint": base + REVOKE,
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic", "none"],
        "token_endpoint_auth_signing_alg_values_supported": list(algorithms),
        "grant_types_supported": ["client_credentials", "authorization_code", "refresh_token"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": [
            *sorted(EXTRAS),
            "patient/*.rs",
            "user/*.cruds",
            "system/*.cruds",
            "system/*.rs",
        ],
        "capabilities": capabilities,
    }


def openid_configuration(services: GatewayServices) -> dict[str, object]:
    """What whoever checks our id tokens looks for."""
    smart = smart_configuration(services)
    same = (
        "issuer",
        "jwks_uri",
        "authorization_endpoint",
        "token_endpoint",
        "token_endpoint_auth_methods_supported",
        "grant_types_supported",
        "response_types_supported",
        "code_challenge_methods_supported",
        "scopes_supported",
    )
    return {name: smart[name] for name in same} | {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser"],
    }


def rest_security(services: GatewayServices) -> dict[str, object]:
    """`CapabilityStatement.rest.security` (FHIR R4; SMART App Launch 1.0, 3.2)."""
    base = services.base_url
    addresses = {
        "authorize": base + AUTHORIZE,
        "token": services.token_url,
        "introspect": base + INTROSPECT,
        "revoke": base + REVOKE,
    }
    return {
        "cors": True,
        "service": [
            {
                "coding": [{"system": _SECURITY_SERVICE, "code": "SMART-on-FHIR"}],
                "text": "OAuth2 using SMART on FHIR (see .well-known/smart-configuration)",
            }
        ],
        "extension": [
            {
                "url": _OAUTH_URIS,
                "extension": [
                    {"url": name, "valueUri": address} for name, address in addresses.items()
                ],
            }
        ],
    }
