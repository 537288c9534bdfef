/** Directories of this host that a machine shares read-write: a part of the driver contract. */

/** The guest mounts it as `virtiofs` by its tag. */
export interface Share {
  tag: string;
  /** The directory, absolute. A guest MUST reach nothing outside it, not by links either. */
  path: string;
  /** Made by the driver, for the machine's own use. */
  socket: string;
}

/** What a driver says of {@link Share}s. */
export interface ShareSupport {
  /** @throws {FleetboxError} `unavailable`: no directory can be shared here, with what to do */
  checkShares(): void;
}
