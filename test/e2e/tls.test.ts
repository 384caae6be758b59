import { expect, test } from "bun:test";
import { serve } from "../helpers/serve.ts";

const openssl = Bun.which("openssl");

/** What openssl says of a connection that sends nothing and waits a moment for whatever the server offers. */
async function sClient(port: number, ...flags: string[]): Promise<string> {
  const child = Bun.spawn(
    [openssl ?? "openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-alpn", "sock/1", "-msg", ...flags],
    { stdin: "pipe", stdout: "pipe", stderr: "pipe" },
  );
  // without a key the server hangs up by itself: no need to end stdin first
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return out + err;
}

test.skipIf(openssl === null)("TLS 1.3 only, and no ticket (needs openssl)", async () => {
  await using server = await serve();
  const said = await sClient(server.port);
  expect(said).toContain("New, TLSv1.3");
  expect(said).toContain("ALPN protocol: sock/1");
  expect(said).not.toContain("NewSessionTicket");
  for (const old of ["-tls1_2", "-tls1_1"]) {
    const refused = await sClient(server.port, old);
    expect(refused).toContain("alert protocol version");
    expect(refused).toContain("Cipher is (NONE)");
  }
});
