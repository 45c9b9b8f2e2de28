/** What a fault gets to work with. */
import type { OwnCluster } from "../own_cluster.ts";
import type { Result } from "./ledger.ts";

/** The brokers a fault needs, and how often it is to happen. */
export interface Stage {
  readonly cluster: OwnCluster;
  readonly times: number;
  /** Tells how it goes on. */
  readonly say: (what: string) => void;
}

/** Something bad that happens to running scripts. */
export interface Fault {
  readonly name: string;
  readonly what: string;
  /** A broker for itself, or the cluster of three. */
  readonly on: "broker" | "cluster";
  /** How often in the short form, and in the long one. */
  readonly times: { readonly short: number; readonly long: number };
  readonly run: (stage: Stage) => Promise<Result>;
}
