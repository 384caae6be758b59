import { homedir } from "node:os";
import { SockError } from "../errors.ts";
import { stateFolder } from "../files/state.ts";
import { revokeClients } from "../server/manage.ts";
import { defineVerb } from "./verb.ts";

export default defineVerb({
  meta: {
    name: "revoke",
    summary: "end keys and codes, and their sessions; a code's keys end with it",
    usage: "revoke NAME...",
    examples: [{ line: "sock revoke kai-laptop", does: "for ever; its sessions end within a second" }],
  },
  args: {
    names: {
      type: "positional",
      required: false,
      variadic: true,
      description: "names or ids that sock clients lists",
    },
  },
  run(context, { names }) {
    if (names.length === 0) throw new SockError("usage", "revoke whom?", "sock clients lists the names");
    const folder = stateFolder(context.env, process.platform, homedir());
    const revoked = revokeClients(folder, names);
    context.json.result({ state: folder, revoked: revoked.map(({ id, name }) => ({ id, name })) });
    for (const { name, kind, wasRevoked } of revoked) {
      const what = kind === "key" || kind === "local" ? "key" : "code";
      context.ui.report(
        wasRevoked ? `the ${what} ${name} was revoked before` : `revoked the ${what} ${name}`,
      );
    }
  },
});
