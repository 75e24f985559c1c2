// Holds a bill of materials against the schema of CycloneDX: node validate.mjs FILE. Run beside its node_modules.
import { readFile } from "node:fs/promises";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";

const text = await readFile(process.argv[2], "utf8");
const { specVersion } = JSON.parse(text);
const validator = new Validation.JsonStrictValidator(Spec.Version[`v${specVersion.replace(".", "dot")}`]);
const faults = await validator.validate(text);
if (faults !== null) {
  console.error(JSON.stringify(faults, null, 2));
  process.exit(1);
}
