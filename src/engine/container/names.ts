// Names for containers: the rule for given ones and the generator for the others (adjective_surname, as users know it).
import { randomInt } from "node:crypto";
import { Fault } from "../../lib/errors.ts";
import type { ContainerTable } from "./table.ts";

const ADJECTIVES =
  "able agile amber ample apt avid awake balanced bold brave bright brisk calm candid careful cheerful clear clever cosmic crisp curious daring deft eager earnest easy elated elegant epic fair famous fine firm fluent fond frank free fresh friendly gallant gentle gifted glad golden good grand great happy hardy hearty honest hopeful humble jolly jovial just keen kind lively loyal lucid lucky mellow merry mighty modest neat nimble noble open patient peaceful plucky polite proud quick quiet rapid ready robust serene sharp silent sincere smart snug solid steady stoic sunny swift tidy trusty upbeat vivid warm wise witty zesty".split(
    " ",
  );

const SURNAMES =
  "abel agnesi allen ampere archimedes aryabhata babbage bell bernoulli bohr boole borg bose brahmagupta brattain burnell cantor carson cauchy cerf chandrasekhar church clarke cori cray curie dalton darwin davinci descartes dijkstra dirac einstein elion engelbart erdos euclid euler faraday fermat fermi feynman fibonacci franklin galileo galois gauss germain godel goodall hamilton hawking heisenberg herschel hertz hilbert hodgkin hopper huygens hypatia jackson johnson joliot kalam kepler kernighan khayyam knuth kovalevskaya lamarr lamport laplace leavitt lehmann leibniz liskov lovelace lumiere mach maxwell mayer mcclintock meitner mendel mendeleev mirzakhani moore morse nash neumann newton nightingale nobel noether pascal pasteur pauli payne perlman planck poincare ptolemy raman ramanujan rice ritchie rubin rutherford saha sammet sanger shannon somerville stallman stonebraker tesla tharp thompson torvalds turing volta wiles wilson wozniak wright wu yonath".split(
    " ",
  );

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Returns the name without the slash that the API allows in front; throws Fault(invalidParameter) with Docker's text. */
export function parseName(text: string): string {
  const name = text.replace(/^\//, "");
  if (!NAME.test(name))
    throw new Fault(
      "invalidParameter",
      `Invalid container name (${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
      {
        code: "container.name-invalid",
      },
    );
  return name;
}

/** Fails with conflict, and says who has it, when the name is taken. */
export function checkNameIsFree(table: Pick<ContainerTable, "isNameTaken" | "idOfName">, name: string): void {
  if (!table.isNameTaken(name)) return;
  const holder = table.idOfName(name) ?? "";
  throw new Fault(
    "conflict",
    `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`,
    { code: "container.name-taken", detail: { holder } },
  );
}

/** Returns a readable name that `isTaken` does not know, with a number at the end when luck fails. */
export function generateName(isTaken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const words = `${ADJECTIVES[randomInt(ADJECTIVES.length)]}_${SURNAMES[randomInt(SURNAMES.length)]}`;
    const name = attempt < 5 ? words : `${words}${randomInt(10 ** Math.min(9, attempt - 3))}`;
    if (!isTaken(name)) return name;
  }
}
