"""A real broker that requires a login: users with passwords, and Google's tokens from a test endpoint.

Its listeners: PLAIN and GOOGLE as a good broker has them; EXPIRED and MISNAMED with a certificate that has
expired and one for another host.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyspark
from cryptography.hazmat.primitives.asymmetric import rsa

from jobs.engine import jar_files
from jobs.engine.java import java_home
from tests.support.certificates import Authority, pem
from tests.support.kafka_broker import KafkaBroker
from tests.support.kafka_listeners import Listener

USER = "ann"
PASSWORD = 'correct "horse" \\ battery; staple#ü'
ACCOUNT = "jobs@my-project.iam.gserviceaccount.com"
_TOKENS = """
package tests;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import javax.security.auth.callback.Callback;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/** Takes Google's form of one access token, as Managed Service for Apache Kafka does. */
public class GoogleTokens implements AuthenticateCallbackHandler {
    private String accepted;

    public void configure(Map configs, String mechanism, List entries) {
        accepted = (String) ((AppConfigurationEntry) entries.get(0)).getOptions().get("accepted");
    }

    public void handle(Callback[] callbacks) {
        for (int at = 0; at < callbacks.length; at++) {
            if (!(callbacks[at] instanceof OAuthBearerValidatorCallback)) continue;
            OAuthBearerValidatorCallback asked = (OAuthBearerValidatorCallback) callbacks[at];
            String[] parts = asked.tokenValue().split("[.]");
            if (parts.length == 3 && text(parts[0]).replace(" ", "").equals(
                    "{\\"typ\\":\\"JWT\\",\\"alg\\":\\"GOOG_OAUTH2_TOKEN\\"}")
                    && text(parts[1]).replace(" ", "").contains("\\"sub\\":\\"ACCOUNT\\"")
                    && text(parts[1]).replace(" ", "").contains("\\"scope\\":\\"kafka\\"")
                    && text(parts[2]).equals(accepted)) {
                asked.token(new Token(asked.tokenValue()));
            } else {
                asked.error("invalid_token", null, null);
            }
        }
    }

    private static String text(String part) {
        return new String(Base64.getUrlDecoder().decode(part), StandardCharsets.UTF_8);
    }

    public void close() {}

    public static class Token implements OAuthBearerToken {
        private final String value;

        public Token(String value) { this.value = value; }

        public String value() { return value; }

        public java.util.Set scope() { return java.util.Collections.singleton("kafka"); }

        public long lifetimeMs() { return System.currentTimeMillis() + 3600000L; }

        public String principalName() { return "ACCOUNT"; }

        public Long startTimeMs() { return null; }
    }
}
""".replace("ACCOUNT", ACCOUNT)


@dataclass(frozen=True)
class SaslBroker:
    """The running broker and the files that its clients are given."""

    broker: KafkaBroker
    folder: Path

    def server(self, name: str) -> str:
        """Return the address of a listener."""
        return f"127.0.0.1:{self.broker.port(name)}"

    def plain(self, name: str = "PLAIN") -> list[str]:
        """Return the flags of the user who may log in."""
        return [
            f"--kafka-bootstrap-servers={self.server(name)}",
            *("--kafka-auth=plain", f"--kafka-username={USER}"),
            f"--kafka-password-file={self.folder / 'password'}",
            f"--kafka-tls-ca={self.folder / 'ca.pem'}",
        ]

    @property
    def managed(self) -> list[str]:
        """Return the flags of Google's login; `environment` belongs to them."""
        server = f"--kafka-bootstrap-servers={self.server('GOOGLE')}"
        return [server, "--kafka-auth=managed", f"--kafka-tls-ca={self.folder / 'ca.pem'}"]

    @property
    def environment(self) -> dict[str, str]:
        """Return where Google's libraries find the account, whose tokens come from the endpoint here."""
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(self.folder / "account.json")}


@contextmanager
def sasl_broker(folder: Path) -> Iterator[SaslBroker]:
    """Run a separate broker with all four listeners; its files lie in `folder`."""
    token = secrets.token_hex(16)
    compiled = _compile(folder)
    (folder / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    authority = Authority("tests' own")
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "other-ca.pem").write_bytes(Authority("somebody else's").pem)
    keys = {name: folder / f"{name}.pem" for name in ("good", "expired", "misnamed")}
    keys["good"].write_bytes(authority.key_store("127.0.0.1"))
    keys["expired"].write_bytes(authority.key_store("127.0.0.1", days=-1))
    keys["misnamed"].write_bytes(authority.key_store("127.0.0.2"))
    listeners = [
        Listener("PLAIN", _plain(keys["good"])),
        Listener("GOOGLE", _google(keys["good"], token)),
        Listener("EXPIRED", _plain(keys["expired"])),
        Listener("MISNAMED", _plain(keys["misnamed"])),
    ]
    with _token_endpoint(token) as endpoint:
        (folder / "account.json").write_text(json.dumps(_account(endpoint)))
        with KafkaBroker(listeners=listeners, classes=compiled) as broker:
            yield SaslBroker(broker, folder)


def _plain(key_store: Path) -> dict[str, str]:
    escaped = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    jaas = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{escaped}";'
    return {
        **_key_store(key_store),
        "sasl.enabled.mechanisms": "PLAIN",
        # Escaped once more, because a properties file has its own escapes.
        "plain.sasl.jaas.config": jaas.replace("\\", "\\\\").replace("ü", "\\u00fc"),
    }


def _google(key_store: Path, token: str) -> dict[str, str]:
    module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
    return {
        **_key_store(key_store),
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        # A listener also logs in to itself: the claim is for that.
        "oauthbearer.sasl.jaas.config": (
            f'{module} required accepted="{token}" unsecuredLoginStringClaim_sub="broker";'
        ),
        # Google's requires a new login after half an hour; so does this one, within a test.
        "oauthbearer.connections.max.reauth.ms": "2000",
        "oauthbearer.sasl.server.callback.handler.class": "tests.GoogleTokens",
    }


def _key_store(file: Path) -> dict[str, str]:
    return {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(file)}


def _compile(folder: Path) -> Path:
    """Compile with Janino, which Spark brings: a Java that only runs programs has no compiler."""
    source, target = folder / "GoogleTokens.java", folder / "classes"
    source.write_text(_TOKENS)
    target.mkdir()
    spark = Path(pyspark.__file__).parent / "jars"
    compiler = [*spark.glob("janino-*.jar"), *spark.glob("commons-compiler-*.jar")]
    (kafka,) = (jar for jar in jar_files.jars("broker") if jar.name.startswith("kafka-clients-"))
    command = [str(java_home() / "bin" / "java"), "-cp", ":".join(map(str, compiler))]
    command += ["org.codehaus.commons.compiler.samples.CompilerDemo", "-d", str(target)]
    done = subprocess.run(
        [*command, "-classpath", str(kafka), str(source)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (target / "tests" / "GoogleTokens.class").is_file(), done.stdout + done.stderr
    return target


def _account(endpoint: str) -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "1",
        "private_key": pem(key).decode(),
        "client_email": ACCOUNT,
        "client_id": "1",
        "token_uri": endpoint,
    }


@contextmanager
def _token_endpoint(token: str) -> Iterator[str]:
    """Give every account the same access token, for an hour."""

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3600}).encode()
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/token"
    finally:
        server.shutdown()
        server.server_close()
