/** A group's network, with what it needs of the group: its gateway's sockets, and which names and addresses are its members'. */

import { publishedPorts } from "../../store/forwards.ts";
import type { Store } from "../../store.ts";
import { driver } from "../../vmm/driver.ts";
import { GroupNetwork } from "../network/group_network.ts";
import type { Identities } from "./identities.ts";

export type { GroupNetwork };

interface NetworkedGroup {
  store: Store;
  id: string;
  /** The gateway's program. */
  binary: string;
  bound: boolean;
  identities: Identities;
  isActive(name: string): boolean;
  /** The names of all that belong to it, stopped ones included. */
  belongs: ReadonlySet<string>;
  /** Whether the gateway must let something through: a member has egress, access to the host, or a UDP port. */
  isOpen(): boolean;
  onChange(): void;
  onNote(message: string): void;
}

export function networkOf(group: NetworkedGroup): GroupNetwork {
  const { store, id, binary, bound, identities, isActive, belongs, isOpen, onChange, onNote } = group;
  const { gatewayQmpSocket, gatewayNetSocket } = store.group(id);
  return new GroupNetwork({
    driver,
    gateway: { binary, controlSocket: gatewayQmpSocket, netSocket: gatewayNetSocket, bound, name: `gateway-${id}` },
    isOpen,
    lookup: (word) => identities.addressOf(word, isActive),
    nameOf: (address) => identities.hostNameAt(address, isActive),
    publishedPorts: () => publishedPorts(store, belongs),
    onChange,
    onNote,
  });
}
