//! Operations: each breaks something that is there, and what undoes it brings the factory back.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use plant::{
    factory::Plan,
    operation::{Operation, Owner, PLATFORM, VOCABULARY, Word, perform_all},
    task::Task,
    wait,
};

use crate::start;

/// The small factory's part of each kind.
fn owner(word: &Word) -> &'static str {
    match word.owner {
        Owner::Site => "north",
        Owner::Gateway => "gw-north-1",
        Owner::Device => "press-1",
        Owner::Platform => PLATFORM,
    }
}

fn operation(at: u64, word: &'static Word) -> Operation {
    let by = word.takes_amount().then(|| TimeDelta::days(-400));
    Operation { at: Duration::from_millis(at), owner: owner(word).to_owned(), word, by }
}

#[tokio::test]
async fn every_operation_can_be_undone() {
    let factory = Arc::new(start(Plan::SMALL).await);
    for word in VOCABULARY {
        let Some(verb) = word.undone_by else { continue };
        let undo = VOCABULARY
            .iter()
            .find(|undo| (undo.owner, undo.part, undo.verb) == (word.owner, word.part, verb))
            .unwrap();
        let operations = vec![operation(0, word), operation(300, undo)];
        let done = Arc::<Mutex<Vec<_>>>::default();
        let performing = Task::spawn(perform_all(Arc::clone(&factory), operations, Arc::clone(&done)));
        wait::until("both operations", || async {
            let done = done.lock().unwrap();
            done.len() == 2 && done.iter().all(|one| one.through.is_some())
        })
        .await
        .unwrap();
        for one in done.lock().unwrap().iter() {
            assert_eq!(one.failed, None, "{}", one.operation);
        }
        drop(performing);
        let healthy = factory.healthy().await;
        healthy.unwrap_or_else(|error| panic!("{} {}: {error}", word.verb, word.part));
    }
    wait::until("the performer's end", || async { Arc::strong_count(&factory) == 1 }).await.unwrap();
    Arc::into_inner(factory).unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn operation_that_cannot_be_done_says_why() {
    let factory = Arc::new(start(Plan::SMALL).await);
    let word =
        |verb: &str| VOCABULARY.iter().find(|word| (word.part, word.verb) == ("process", verb)).unwrap();
    let operations = vec![operation(400, word("stop")), operation(0, word("kill"))];
    let done = Arc::<Mutex<Vec<_>>>::default();
    let performing = Task::spawn(perform_all(Arc::clone(&factory), operations, Arc::clone(&done)));
    wait::until("both operations", || async { done.lock().unwrap().len() == 2 }).await.unwrap();
    wait::until("an end", || async { done.lock().unwrap().iter().all(|one| one.through.is_some()) })
        .await
        .unwrap();
    drop(performing);
    let done = done.lock().unwrap().clone();
    // In the order of their times, not of the file.
    assert_eq!((done[0].operation.word.verb, done[0].failed.as_deref()), ("kill", None));
    assert!(done[1].failed.as_ref().unwrap().contains("does not run"), "{:?}", done[1]);
    drop(factory);
}
