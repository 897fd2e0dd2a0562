/** Credentials of organizations: checked by their types, sealed with the tenant's data keys, tested, opened for one attempt. */
export { checkValues, type CheckedValues } from "./check.ts";
export { probeCredential } from "./probe.ts";
export { refuseWiderReach } from "./reach.ts";
export { createCredentialVault, type CredentialVault } from "./vault.ts";
