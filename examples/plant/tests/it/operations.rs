//! Operations: each breaks something that is there, and what undoes it brings the factory back.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use plant::{
    factory::Plan,
    operation::{Done, Operation, PIPELINE, Parts, Performance, VOCABULARY, Word, owners},
    pipeline::{self, Pipeline},
    task::Task,
    wait,
};

use crate::{plant_program, start};

/// On the first owner of its kind, which the small factory has too.
fn operation(at: u64, word: &'static Word) -> Operation {
    let by = word.takes_amount().then(|| TimeDelta::days(-400));
    Operation { at: Duration::from_millis(at), step: None, owner: owners(word.owner)[0].to_owned(), word, by }
}

/// Performs these operations to the end.
async fn perform(parts: Parts, operations: Vec<Operation>) -> Vec<Done> {
    let count = operations.len();
    let performance = Arc::new(Performance::new(parts, operations));
    let performing = Arc::clone(&performance);
    let performing = Task::spawn(async move { performing.run().await });
    wait::until("all operations", || async {
        let done = performance.done();
        done.len() == count && done.iter().all(|one| one.through.is_some())
    })
    .await
    .unwrap();
    drop(performing);
    performance.done()
}

/// What undoes a word; none where it mends.
fn undo(words: &'static [Word], word: &Word) -> Option<&'static Word> {
    let verb = word.undone_by?;
    words.iter().find(|undo| (undo.owner, undo.part, undo.verb) == (word.owner, word.part, verb))
}

#[tokio::test]
async fn every_operation_can_be_undone() {
    let factory = Arc::new(start(Plan::SMALL).await);
    for word in VOCABULARY {
        let Some(undo) = undo(VOCABULARY, word) else { continue };
        let operations = vec![operation(0, word), operation(300, undo)];
        for one in perform(Parts::Factory(Arc::clone(&factory)), operations).await {
            assert_eq!(one.failed, None, "{}", one.operation);
        }
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
    let done = perform(Parts::Factory(Arc::clone(&factory)), operations).await;
    // In the order of their times, not of the file.
    assert_eq!((done[0].operation.word.verb, done[0].failed.as_deref()), ("kill", None));
    assert!(done[1].failed.as_ref().unwrap().contains("does not run"), "{:?}", done[1]);
    drop(factory);
}

#[tokio::test]
async fn pipeline_operations_can_be_undone() {
    let pipeline = Arc::new(Pipeline::start(&plant_program(), pipeline::Plan::SCENARIO).await.unwrap());
    for word in PIPELINE {
        let Some(undo) = undo(PIPELINE, word) else { continue };
        let operations = vec![operation(0, word), operation(300, undo)];
        for one in perform(Parts::Pipeline(Arc::clone(&pipeline)), operations).await {
            assert_eq!(one.failed, None, "{}", one.operation);
        }
        let flows = pipeline.flows().await;
        flows.unwrap_or_else(|error| panic!("{} {}: {error}", word.verb, word.part));
    }
    wait::until("the performer's end", || async { Arc::strong_count(&pipeline) == 1 }).await.unwrap();
    Arc::into_inner(pipeline).unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn operation_waits_for_its_step_once() {
    let factory = Arc::new(start(Plan::SMALL).await);
    let trip = VOCABULARY.iter().find(|word| word.verb == "trip" && word.part == "breaker").unwrap();
    let cue = |step: &str| Operation { step: Some(step.to_owned()), ..operation(0, trip) };
    let parts = Parts::Factory(Arc::clone(&factory));
    let performance = Performance::new(parts, vec![cue("power"), cue("never")]);
    performance.run().await;
    performance.reached("last-seen").await;
    assert_eq!(performance.done().len(), 0);
    for _ in 0..2 {
        performance.reached("power").await;
        assert_eq!(performance.done().len(), 1);
    }
    assert_eq!(performance.left_out(), [&cue("never")]);
    drop(factory);
}
