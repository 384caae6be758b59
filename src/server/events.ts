/** What a server tells its owner; the words are the command line's. */
export type ServerEvent =
  /** A request has ended; `what` is a path or a count, `outcome` "new", "replaced", an error's code… */
  | {
      readonly type: "request";
      readonly verb: string;
      readonly who: string;
      readonly address: string;
      readonly what: string;
      readonly bytes: number;
      readonly ms: number;
      readonly outcome: string;
    }
  /** Somebody was turned away before there was a session. */
  | {
      readonly type: "refused";
      readonly address: string;
      readonly code: string;
      readonly what: string;
      readonly hint?: string;
    }
  | {
      readonly type: "joined";
      readonly who: string;
      readonly address: string;
      readonly allows: readonly string[];
    }
  | { readonly type: "warning"; readonly what: string };

export type Report = (event: ServerEvent) => void;
