package dataproc;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import javax.security.auth.callback.Callback;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * Admits the access tokens of accounts that may connect, in Google's form: a header, claims and the token itself,
 * each in Base64. The file of the option "admitted" has a line for each: its SHA-256, when it ends, its account.
 * Janino compiles this; it knows neither type parameters nor lambdas well.
 */
public class GoogleTokens implements AuthenticateCallbackHandler {
    private String admitted;

    public void configure(Map configs, String mechanism, List entries) {
        admitted = (String) ((AppConfigurationEntry) entries.get(0)).getOptions().get("admitted");
    }

    public void handle(Callback[] callbacks) {
        for (int at = 0; at < callbacks.length; at++) {
            if (callbacks[at] instanceof OAuthBearerValidatorCallback) {
                validate((OAuthBearerValidatorCallback) callbacks[at]);
            }
        }
    }

    private void validate(OAuthBearerValidatorCallback asked) {
        try {
            String[] parts = asked.tokenValue().split("[.]");
            if (parts.length == 3 && text(parts[0]).indexOf("\"GOOG_OAUTH2_TOKEN\"") >= 0) {
                String digest = sha256(text(parts[2]));
                String[] lines = new String(Files.readAllBytes(Paths.get(admitted)), "UTF-8").split("\n");
                for (int at = 0; at < lines.length; at++) {
                    String[] words = lines[at].split(" ");
                    if (words.length == 3 && words[0].equals(digest)
                            && Long.parseLong(words[1]) > System.currentTimeMillis()
                            && text(parts[1]).indexOf("\"" + words[2] + "\"") >= 0) {
                        asked.token(new Token(asked.tokenValue(), words[2], Long.parseLong(words[1])));
                        return;
                    }
                }
            }
        } catch (Exception unreadable) {
            // A token in another form is not admitted.
        }
        asked.error("invalid_token", null, null);
    }

    private static String text(String part) {
        return new String(Base64.getUrlDecoder().decode(part), StandardCharsets.UTF_8);
    }

    private static String sha256(String token) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(token.getBytes("UTF-8"));
        StringBuilder hex = new StringBuilder();
        for (int at = 0; at < digest.length; at++) {
            hex.append(Character.forDigit((digest[at] >> 4) & 15, 16));
            hex.append(Character.forDigit(digest[at] & 15, 16));
        }
        return hex.toString();
    }

    public void close() {}

    public static class Token implements OAuthBearerToken {
        private final String value;
        private final String account;
        private final long ends;

        public Token(String value, String account, long ends) {
            this.value = value;
            this.account = account;
            this.ends = ends;
        }

        public String value() { return value; }

        public java.util.Set scope() { return java.util.Collections.singleton("kafka"); }

        public long lifetimeMs() { return ends; }

        public String principalName() { return account; }

        public Long startTimeMs() { return null; }
    }
}
