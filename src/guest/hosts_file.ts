/** A guest's /etc/hosts when its host name changes (hosts(5)). */

/**
 * The file with another host name in the place of the old one: as a name, and as the first label of a longer one
 * (`a.fleetbox.internal`). Addresses, comments, blanks and all other names stay; so does `localhost` of a loopback
 * address, even for a machine of that name. Pure.
 */
export function renameHost(text: string, oldName: string, newName: string): string {
  return text.split("\n").map((line) => {
    const [, address, names, comment] = /^(\s*\S*)([^#]*)(.*)$/s.exec(line)!;
    if (address.includes("#") || (oldName === "localhost" && /^\s*(127\.|::1$)/.test(address))) return line;
    const renamed = names.replace(/[^\s.]\S*/g, (name) => {
      const [first] = name.split(".", 1);
      return first.toLowerCase() === oldName ? newName + name.slice(first.length) : name;
    });
    return address + renamed + comment;
  }).join("\n");
}
