// node drain.js JOBS: how many jobs that do nothing graphile-worker takes a second, set up as its documentation advises for speed: a local queue,
// completions in batches. From the first job's start until the last is gone from the table. Where the database is comes from PG*.
"use strict";
const { Pool } = require("pg");
const { Logger, makeWorkerUtils, run } = require("graphile-worker");

const [, , jobs] = process.argv;
const logger = new Logger(() => () => {});
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ADD = "SELECT graphile_worker.add_jobs(array(SELECT ('nothing', '{}'::json, null, null, null, null, null, null)::graphile_worker.job_spec "
	+ "FROM generate_series(1, $1::int)))";

function pool(max) {
	const made = new Pool({ max });
	made.on("error", console.error);
	made.on("connect", (client) => client.on("error", console.error));
	return made;
}

async function main() {
	const admin = pool(2);
	const utils = await makeWorkerUtils({ pgPool: admin, logger });
	await utils.migrate();
	await admin.query("TRUNCATE graphile_worker._private_jobs");
	await admin.query(ADD, [jobs]);
	await admin.query("VACUUM ANALYZE graphile_worker._private_jobs");
	await admin.query("CHECKPOINT");
	let began = 0;
	const taskList = { async nothing() { began ||= Date.now(); } };
	await run({ pgPool: pool(25), taskList, noHandleSignals: true, preset: { worker: { concurrentJobs: 24, maxPoolSize: 25, logger,
		localQueue: { size: 500, refetchDelay: { durationMs: 10 } }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } } });
	while ((await admin.query("SELECT EXISTS (SELECT FROM graphile_worker._private_jobs) AS more")).rows[0].more) {
		await sleep(5);
	}
	console.log(jobs / (Date.now() - began) * 1000);
	process.exit(0);
}

main();
