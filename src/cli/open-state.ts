/** What the commands of one interactive session share. */
import type { KeptConnection } from "../client/connections.ts";
import type { Target } from "../client/hosts.ts";

export interface OpenState {
  readonly host: Target;
  readonly connections: KeptConnection;
  /** The folder there that paths begin in, without slashes around it; empty: all that is served. And the one before it. */
  folder: string;
  before: string;
  /** `exit` was said. */
  over: boolean;
}
