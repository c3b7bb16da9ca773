// What fhir-kit-client and fhirclient, the npm clients, make of a FHIR server; one line of JSON.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, text] = process.argv.slice(2);
const settings = JSON.parse(text);
const require = createRequire(modules + "/");

const weight = {
  resourceType: "Observation",
  status: "final",
  subject: { reference: `Patient/${settings.patient}` },
  code: { coding: [{ system: "http://loinc.org", code: "29463-7" }] },
  effectiveDateTime: "2026-03-01",
};
const status = async (asked) => {
  try {
    await asked;
    return 200;
  } catch (error) {
    return error.response?.status ?? error.status ?? error.statusCode ?? String(error);
  }
};

async function kit() {
  const { Client } = await import(pathToFileURL(`${modules}/fhir-kit-client/dist/index.js`).href);
  const client = new Client({ baseUrl: settings.fhir, bearerToken: settings.token });
  const found = {};
  found.version = (await client.capabilityStatement()).fhirVersion;
  const auth = await client.smartAuthMetadata();
  found.auth = [String(auth.authorizeUrl), String(auth.tokenUrl)];
  const made = await client.create({ resourceType: "Observation", body: weight });
  const id = made.id;
  const resourceType = "Observation";
  found.created = [Boolean(id), made.meta.versionId];
  const body = { ...made, status: "amended" };
  found.updated = (await client.update({ resourceType, id, body })).meta.versionId;
  const jsonPatch = [{ op: "replace", path: "/status", value: "corrected" }];
  found.patched = (await client.patch({ resourceType, id, jsonPatch })).status;
  found.read = (await client.read({ resourceType, id })).status;
  found.vread = (await client.vread({ resourceType, id, version: "1" })).status;
  found.history = (await client.resourceHistory({ resourceType, id })).entry.length;
  found.typeHistory = (await client.typeHistory({ resourceType })).type;
  found.systemHistory = (await client.systemHistory()).type;
  const searchParams = { patient: settings.patient, _count: 100, _sort: "date" };
  let page = await client.search({ resourceType, searchParams });
  found.total = page.total;
  found.met = 0;
  found.pages = 0;
  while (page) {
    found.met += page.entry.length;
    found.pages += 1;
    page = await client.nextPage({ bundle: page });
  }
  const compartment = { resourceType: "Patient", id: settings.patient };
  found.compartment = (await client.search({ resourceType, compartment })).total;
  const posted = await client.search({ resourceType, searchParams, options: { postSearch: true } });
  found.posted = posted.total;
  found.resolved = (await client.resolve({ reference: made.subject.reference })).id;
  const operation = { name: "everything", resourceType: "Patient", id: settings.patient };
  found.everything = (await client.operation({ ...operation, method: "GET" })).resourceType;
  const entry = [
    { request: { method: "DELETE", url: `Observation/${id}` } },
    { request: { method: "GET", url: `Patient/${settings.patient}` } },
  ];
  const batch = { resourceType: "Bundle", type: "batch", entry };
  found.batch = (await client.batch({ body: batch })).entry.map((one) => one.response.status.slice(0, 3));
  found.gone = await status(client.read({ resourceType, id }));
  found.unknown = await status(client.search({ resourceType, searchParams: { colour: "red" } }));
  return found;
}

async function smart() {
  const FHIR = require("fhirclient");
  const request = { headers: { host: "127.0.0.1" }, url: "/", protocol: "http" };
  const storage = { get: async () => null, set: async () => {}, unset: async () => {} };
  const client = FHIR(request, {}, storage).client({
    serverUrl: settings.fhir,
    tokenResponse: { access_token: settings.token, patient: settings.patient },
  });
  const found = {};
  found.patient = (await client.patient.read()).id;
  found.refresh = client.getState("serverUrl");
  const url = `Observation?patient=${settings.patient}&_count=100`;
  found.met = (await client.request(url, { pageLimit: 0, flat: true })).length;
  const graph = await client.request(`Encounter?patient=${settings.patient}&_count=2`, {
    resolveReferences: "subject",
    flat: true,
  });
  found.resolved = graph[0].subject.id;
  const made = await client.create(weight);
  found.created = made.resourceType;
  found.updated = (await client.update({ ...made, status: "amended" })).status;
  const patch = [{ op: "replace", path: "/status", value: "corrected" }];
  found.patched = (await client.patch(`Observation/${made.id}`, patch)).status;
  await client.delete(`Observation/${made.id}`);
  found.gone = await status(client.request(`Observation/${made.id}`));
  return found;
}

console.log(JSON.stringify({ kit: await kit(), smart: await smart() }));
