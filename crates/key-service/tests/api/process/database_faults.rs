//! What a service on PostgreSQL does when its database fails it. The faults are real, and befall replicas whose
//! keys are changed and asked about all the while.

mod load;

use std::env;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use latchkey_local_stack::http::{Request, Response};
use latchkey_local_stack::key_service::KeyServiceClient;
use latchkey_local_stack::postgres::{DATABASE_VARIABLE, PostgresServer};
use latchkey_local_stack::replicas::Replicas;
use latchkey_local_stack::wait;
use load::{Load, assert_unavailable};
use serde_json::json;

use super::crash::CRASHES_VARIABLE;

/// How often connections are cut, and each replica killed. The long form multiplies both.
const ROUNDS: usize = 2;

const REPLICAS: usize = 2;

/// Cuts the connections of every replica, in the middle of what it does.
const CUT: &str =
    "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'latchkey'";

/// What a replica logs when it does not find the database, and when it does again.
const AWAY: &str = "the database does not answer";
const BACK: &str = "the database answers again";

/// Longer than the service and its sessions wait for a statement.
const STATEMENT_WAIT: Duration = Duration::from_secs(16);

/// These tests have servers of their own, so once is enough.
fn has_run() -> bool {
    env::var_os(DATABASE_VARIABLE).is_some()
}

fn is_long() -> bool {
    env::var_os(CRASHES_VARIABLE).is_some()
}

fn change(client: &KeyServiceClient) -> Response {
    client.send(Request::new("POST", "/_security/api_key").json(&json!({"name": "of the test"}))).unwrap()
}

fn health(client: &KeyServiceClient) -> Response {
    client.send(Request::get("/healthz")).unwrap()
}

fn await_readiness(client: &KeyServiceClient) {
    wait::until("the service is ready", || Ok((health(client).status == 200).then_some(()))).unwrap();
}

/// How often a replica has logged this.
fn logged(replicas: &Mutex<Replicas>, number: usize, words: &str) -> usize {
    replicas.lock().unwrap().log(number).unwrap().stderr().matches(words).count()
}

/// Changes are refused and so is health; reads go on.
fn assert_only_reads(client: &KeyServiceClient, load: &Load) {
    assert_unavailable(&change(client));
    assert_eq!(health(client).status, 503);
    load.assert_reads(client);
}

#[test]
fn no_fault_of_the_database_loses_a_change_or_is_told_as_a_bad_key() {
    if has_run() {
        return;
    }
    let replicas = Replicas::start(REPLICAS).unwrap();
    let client = replicas.client(0).unwrap().clone();
    let load = Load::of(&replicas);
    let replicas = Mutex::new(replicas);
    let rounds = if is_long() { 20 * ROUNDS } else { ROUNDS };
    load.during(|| {
        for _ in 0..rounds {
            load.await_progress();
            replicas.lock().unwrap().database.run(CUT).unwrap();
        }
        for number in 0..rounds {
            load.await_progress();
            replicas.lock().unwrap().crash(number % REPLICAS).unwrap();
        }
        load.await_progress();
        outage(
            &replicas,
            &client,
            |replicas| replicas.database.kill(),
            |replicas| {
                replicas.database.start_again().unwrap();
            },
        );
        load.await_progress();
        outage(
            &replicas,
            &client,
            |replicas| replicas.database.pause().unwrap(),
            |replicas| {
                replicas.database.resume().unwrap();
            },
        );
        load.await_progress();
        let idle = replicas
            .lock()
            .unwrap()
            .database
            .begin_and_idle("select seq from feed_state for update")
            .unwrap();
        assert_only_reads(&client, &load);
        drop(idle);
        await_readiness(&client);
        if is_long() {
            let idle = replicas
                .lock()
                .unwrap()
                .database
                .begin_and_idle("lock table api_key in access exclusive mode")
                .unwrap();
            assert_unavailable(&load.present_good(&client));
            assert_unavailable(&change(&client));
            drop(idle);
            await_readiness(&client);
        }
        load.await_progress();
    });
    load.assert_all_kept(&client);
}

/// The database goes away and comes back: nothing that needs it is answered meanwhile, and the log has a line
/// about the beginning and one about the end.
fn outage(
    replicas: &Mutex<Replicas>,
    client: &KeyServiceClient,
    begin: impl FnOnce(&mut Replicas),
    end: impl FnOnce(&mut Replicas),
) {
    let (away, back) = (logged(replicas, 0, AWAY), logged(replicas, 0, BACK));
    begin(&mut replicas.lock().unwrap());
    assert_unavailable(&change(client));
    assert_unavailable(&client.send(Request::get("/_security/api_key?owner=true")).unwrap());
    assert_unavailable(&client.send(Request::get("/_latchkey/feed?after=0")).unwrap());
    assert_eq!(health(client).status, 503);
    wait::until("the outage is logged", || Ok((logged(replicas, 0, AWAY) > away).then_some(()))).unwrap();
    end(&mut replicas.lock().unwrap());
    await_readiness(client);
    wait::until("its end is logged", || Ok((logged(replicas, 0, BACK) > back).then_some(()))).unwrap();
    assert_eq!((logged(replicas, 0, AWAY), logged(replicas, 0, BACK)), (away + 1, back + 1));
}

fn standby(replicas: &Mutex<Replicas>, does: impl FnOnce(&mut PostgresServer)) {
    does(replicas.lock().unwrap().standby.as_mut().unwrap());
}

#[test]
fn a_failover_loses_nothing_and_the_old_primary_is_not_believed() {
    if has_run() {
        return;
    }
    let replicas = Replicas::start_with_standby(REPLICAS).unwrap();
    let client = replicas.client(1).unwrap().clone();
    let load = Load::of(&replicas);
    let replicas = Mutex::new(replicas);
    load.during(|| {
        load.await_progress();
        standby(&replicas, |standby| standby.kill());
        assert_only_reads(&client, &load);
        standby(&replicas, |standby| standby.start_again().unwrap());
        await_readiness(&client);
        load.await_progress();

        // No standby has the change that waits now, so it must not be acknowledged, however long it waits.
        standby(&replicas, |standby| standby.kill());
        assert_only_reads(&client, &load);
        thread::sleep(STATEMENT_WAIT);
        replicas.lock().unwrap().database.kill();
        assert_unavailable(&change(&client));
        assert_eq!(health(&client).status, 503);
        standby(&replicas, |standby| standby.start_again().unwrap());
        standby(&replicas, |standby| standby.promote().unwrap());
        await_readiness(&client);
        load.await_progress();
        assert_eq!(logged(&replicas, 1, "the database is at another server now"), 1);

        // It comes back as it was, and does not know that another one was promoted.
        replicas.lock().unwrap().database.start_again().unwrap();
        replicas.lock().unwrap().crash(0).unwrap();
        load.await_progress();
        standby(&replicas, |standby| drop(standby.run(CUT).unwrap()));
        await_readiness(&client);
        load.await_progress();
        assert_eq!(logged(&replicas, 1, "the database is at another server now"), 1);
    });
    for number in 0..REPLICAS {
        let client = replicas.lock().unwrap().client(number).unwrap().clone();
        load.assert_all_kept(&client);
    }
}

// Without its own epoch, an edge that had read the lost changes would take later ones for them.
#[test]
fn after_a_failover_that_lost_changes_every_edge_loads_anew() {
    if has_run() {
        return;
    }
    let mut replicas = Replicas::start_with_standby(1).unwrap();
    let client = replicas.client(0).unwrap().clone();
    let feed = |query: &str| {
        wait::until("the feed is answered", || {
            let answer = client.send(Request::get(&format!("/_latchkey/feed{query}")))?;
            Ok((answer.status == 200).then(|| answer.json().unwrap()))
        })
        .unwrap()
    };
    assert_eq!(change(&client).status, 200);
    replicas.database.run("alter system reset synchronous_standby_names").unwrap();
    replicas.database.run("select pg_reload_conf()").unwrap();
    replicas.standby.as_mut().unwrap().kill();
    for _ in 0..3 {
        assert_eq!(change(&client).status, 200);
    }
    let before = feed("?after=0");
    replicas.database.kill();
    replicas.standby.as_mut().unwrap().start_again().unwrap();
    replicas.standby.as_ref().unwrap().promote().unwrap();
    wait::until("changes are made again", || Ok((change(&client).status == 200).then_some(()))).unwrap();

    let (epoch, cursor) = (before["epoch"].as_str().unwrap(), &before["cursor"]);
    assert_eq!(feed(&format!("?after={cursor}&epoch={epoch}"))["reset"], true);
    let after = feed("?after=0");
    assert_ne!(after["epoch"], before["epoch"]);
    assert_eq!((&before["total"], &after["total"]), (&json!(4), &json!(2)));
    let log = replicas.log(0).unwrap().stderr();
    assert_eq!(log.matches("the database has lost changes").count(), 1, "{log}");
}
