/** Names for members that a user has not named: a word of how it is, and an animal. */

import { clusterOf } from "../../core/names.ts";
import type { Store } from "../../store.ts";

const HOW =
  "able amber apt bold brave brief bright brisk broad calm civil clear cool coral deft early eager fair fast fine " +
  "fond free fresh glad gold good grand green happy hardy keen kind large light lively loyal lucky lunar mellow merry mild " +
  "neat noble novel olive plain polite prime proud quick quiet ready ripe rosy royal ruby safe sage sharp sleek smart " +
  "smooth snug solar solid spry steady still sunny super sure swift tidy topaz true vivid warm wise young";
const WHO =
  "adder alpaca ant auk badger bat bear beaver bee bison boar camel cat cobra cod colt crab crane crow deer dingo " +
  "dove duck eagle eel egret elk emu falcon ferret finch fox frog gecko gnu goat goose gull hare hawk heron horse ibex " +
  "ibis jay kiwi koala lark lemur lion llama loon lynx mink mole moose moth mouse newt okapi orca otter owl panda pig " +
  "plover pony puffin puma quail rabbit raven robin seal shark sheep shrew skunk sloth snail stork swan tapir teal tern " +
  "tiger toad trout viper vole wasp whale wolf wombat wren yak zebra";

/** A name that no member has, nor any group of numbered ones. @param random from 0 to below 1 */
export function madeUpName(store: Store, random: () => number = Math.random): string {
  const taken = new Set(store.members().flatMap(({ name }) => [name, clusterOf(name)]));
  const one = (words: string) => {
    const all = words.split(" ");
    return all[Math.floor(random() * all.length)];
  };
  for (let tries = 0; tries < 1000; tries++) {
    const name = `${one(HOW)}-${one(WHO)}`;
    if (!taken.has(name)) return name;
  }
  for (let number = 1;; number++) if (!taken.has(`vm-${number}`)) return `vm-${number}`; // a store with thousands of them
}
