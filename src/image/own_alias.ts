/** The names that users give to images of their own (`image build --as`). Beside the catalogue's, which they cannot take. */

import { FleetboxError } from "../core/errors.ts";
import { catalogRow } from "./catalog.ts";
import { MICRO } from "./micro.ts";

/** @throws {FleetboxError} `misuse`: it is no such name, or would hide another image */
export function checkOwnAlias(alias: string): string {
  if (alias === MICRO || catalogRow(alias)) {
    throw new FleetboxError("misuse", `Cannot call an image of your own ${alias}: that is an alias of the catalogue`, {
      hint: `Choose another name: --as my-${alias}`,
    });
  }
  const isId = /-[0-9a-f]{16}$/.test(alias);
  if (
    !isId && /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(alias) &&
    !/\.\.|\.(qcow2|img|raw|gz|xz|tmp|part|json|lock)$/.test(alias)
  ) {
    return alias;
  }
  throw new FleetboxError(
    "misuse",
    `Bad value for --as: found ${JSON.stringify(alias)}, expected ${
      isId ? "a name that is no image's id" : "a name of a-z 0-9 . - that is not a file's, such as web"
    }`,
  );
}
