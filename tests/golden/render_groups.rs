//! How the answers about groups become lines; see `render.rs`.

use kafka_protocol::messages::{
    DeleteGroupsResponse, DescribeGroupsResponse, FindCoordinatorResponse, HeartbeatResponse,
    JoinGroupResponse, LeaveGroupResponse, ListGroupsResponse, OffsetCommitResponse, OffsetDeleteResponse,
    OffsetFetchResponse, SyncGroupResponse,
};

use crate::answer::{Fields, Render, Writer, fields};
use crate::render::endpoint;

impl Render for FindCoordinatorResponse {
    fn render(&self, to: &mut Writer<'_>) {
        let at = endpoint(to.names, &self.host, self.port);
        to.root(
            fields!(to.names, self; error_code, node_id)
                .message("error_message", self.error_message.as_ref())
                .put_if(self.port != 0, "at", at),
        );
        for one in &self.coordinators {
            let at = endpoint(to.names, &one.host, one.port);
            let line = fields!(to.names, one; error_code, node_id)
                .message("error_message", one.error_message.as_ref())
                .put("at", at);
            to.line(format!("coordinators[{}]", to.names.text(&one.key)), line);
        }
    }
}

impl Render for JoinGroupResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(
            fields!(to.names, self; error_code, generation_id, protocol_type, protocol_name, skip_assignment)
                .put("leader", to.names.member(&self.leader))
                .put("member_id", to.names.member(&self.member_id)),
        );
        for one in &self.members {
            let path = format!("members[{}]", to.names.member(&one.member_id));
            to.line(path, fields!(to.names, one; group_instance_id, metadata));
        }
    }
}

impl Render for SyncGroupResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code, protocol_type, protocol_name, assignment));
    }
}

impl Render for HeartbeatResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code));
    }
}

impl Render for LeaveGroupResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code));
        for one in &self.members {
            let path = format!("members[{}]", to.names.member(&one.member_id));
            to.line(path, fields!(to.names, one; error_code, group_instance_id));
        }
    }
}

impl Render for DescribeGroupsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for group in &self.groups {
            let path = format!("groups[{}]", to.names.text(&group.group_id));
            let line = fields!(to.names, group; error_code, group_state, protocol_type, protocol_data, authorized_operations)
                .message("error_message", group.error_message.as_ref());
            to.line(&path, line);
            for one in &group.members {
                let path = format!("{path}.members[{}]", to.names.member(&one.member_id));
                let line = fields!(to.names, one; group_instance_id, client_id, client_host, member_metadata, member_assignment);
                to.line(path, line);
            }
        }
    }
}

impl Render for ListGroupsResponse {
    /// Other tests have groups on the same broker.
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code));
        for group in self.groups.iter().filter(|group| group.group_id.contains(&to.names.unique)) {
            let path = format!("groups[{}]", to.names.text(&group.group_id));
            let line = fields!(to.names, group; protocol_type, group_state, group_type);
            to.line(path, line);
        }
    }
}

impl Render for DeleteGroupsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for one in &self.results {
            to.line(format!("results[{}]", to.names.text(&one.group_id)), fields!(to.names, one; error_code));
        }
    }
}

impl Render for OffsetCommitResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for topic in &self.topics {
            let path = format!("topics[{}]", to.names.topic(&topic.name, &topic.topic_id));
            for one in &topic.partitions {
                let path = format!("{path}.partitions[{}]", one.partition_index);
                to.line(path, fields!(to.names, one; error_code));
            }
        }
    }
}

impl Render for OffsetFetchResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code));
        for topic in &self.topics {
            let path = format!("topics[{}]", to.names.text(&topic.name));
            for one in &topic.partitions {
                let line =
                    fields!(to.names, one; error_code, committed_offset, committed_leader_epoch, metadata);
                to.line(format!("{path}.partitions[{}]", one.partition_index), line);
            }
        }
        for group in &self.groups {
            let path = format!("groups[{}]", to.names.text(&group.group_id));
            to.line(&path, fields!(to.names, group; error_code));
            for topic in &group.topics {
                let path = format!("{path}.topics[{}]", to.names.topic(&topic.name, &topic.topic_id));
                for one in &topic.partitions {
                    let line = fields!(to.names, one; error_code, committed_offset, committed_leader_epoch, metadata);
                    to.line(format!("{path}.partitions[{}]", one.partition_index), line);
                }
            }
        }
    }
}

impl Render for OffsetDeleteResponse {
    /// An API that never became flexible, and so has no tagged fields.
    fn render(&self, to: &mut Writer<'_>) {
        let code = |code: i16| Fields::default().put_if(code != 0, "error_code", code.to_string());
        to.root(code(self.error_code));
        for topic in &self.topics {
            let path = format!("topics[{}]", to.names.text(&topic.name));
            for one in &topic.partitions {
                to.line(format!("{path}.partitions[{}]", one.partition_index), code(one.error_code));
            }
        }
    }
}
