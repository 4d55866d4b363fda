//! Two admin calls of librdkafka that the crate does not bind: a group's offsets altered and deleted.
//!
//! `unsafe` because it calls librdkafka's C functions; not a general binding.

use std::ffi::CString;
use std::ptr;

use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{IsError, KafkaError};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::client::{ANSWER_TIME, Outcome};

#[derive(Clone, Copy)]
enum Change {
    Alter,
    Delete,
}

/// Sets the committed offsets of `group` to those of `list`, by the admin call.
pub fn alter_offsets(client: &BaseConsumer, group: &str, list: &TopicPartitionList) -> Outcome {
    change(client, group, list, Change::Alter)
}

/// Forgets the committed offsets of the partitions of `list`.
pub fn delete_offsets(client: &BaseConsumer, group: &str, list: &TopicPartitionList) -> Outcome {
    change(client, group, list, Change::Delete)
}

fn change(client: &BaseConsumer, group: &str, list: &TopicPartitionList, what: Change) -> Outcome {
    let group = CString::new(group)?;
    let handle = client.client().native_ptr();
    // SAFETY: `handle`, `group` and `list` live until the end of this function; librdkafka copies the request before it
    // returns, and everything that it made is destroyed once, here.
    unsafe {
        let queue = native::rd_kafka_queue_new(handle);
        match what {
            Change::Alter => {
                let mut request = native::rd_kafka_AlterConsumerGroupOffsets_new(group.as_ptr(), list.ptr());
                native::rd_kafka_AlterConsumerGroupOffsets(handle, &raw mut request, 1, ptr::null(), queue);
                native::rd_kafka_AlterConsumerGroupOffsets_destroy(request);
            }
            Change::Delete => {
                let mut request = native::rd_kafka_DeleteConsumerGroupOffsets_new(group.as_ptr(), list.ptr());
                native::rd_kafka_DeleteConsumerGroupOffsets(handle, &raw mut request, 1, ptr::null(), queue);
                native::rd_kafka_DeleteConsumerGroupOffsets_destroy(request);
            }
        }
        let event = native::rd_kafka_queue_poll(queue, i32::try_from(ANSWER_TIME.as_millis())?);
        let outcome = if event.is_null() { Err("no answer".into()) } else { outcome_of(event, what) };
        if !event.is_null() {
            native::rd_kafka_event_destroy(event);
        }
        native::rd_kafka_queue_destroy(queue);
        outcome
    }
}

/// The first error of the answer: of the call, of the group, or of a partition.
///
/// # Safety
/// `event` is a live event that answers the call of `what`.
unsafe fn outcome_of(event: *mut native::rd_kafka_event_t, what: Change) -> Outcome {
    // SAFETY: the groups and partitions that librdkafka hands out live as long as the event.
    unsafe {
        check(native::rd_kafka_event_error(event))?;
        let mut count = 0;
        let groups = match what {
            Change::Alter => native::rd_kafka_AlterConsumerGroupOffsets_result_groups(
                native::rd_kafka_event_AlterConsumerGroupOffsets_result(event),
                &raw mut count,
            ),
            Change::Delete => native::rd_kafka_DeleteConsumerGroupOffsets_result_groups(
                native::rd_kafka_event_DeleteConsumerGroupOffsets_result(event),
                &raw mut count,
            ),
        };
        if groups.is_null() || count != 1 {
            return Err(format!("{count} groups in the answer").into());
        }
        let error = native::rd_kafka_group_result_error(*groups);
        if !error.is_null() {
            check(native::rd_kafka_error_code(error))?;
        }
        let partitions = native::rd_kafka_group_result_partitions(*groups);
        if !partitions.is_null() {
            let count = usize::try_from((*partitions).cnt)?;
            for index in 0..count {
                check((*(*partitions).elems.add(index)).err)?;
            }
        }
        Ok(())
    }
}

fn check(error: native::rd_kafka_resp_err_t) -> Outcome {
    if error.is_error() { Err(KafkaError::AdminOp(error.into()).into()) } else { Ok(()) }
}
