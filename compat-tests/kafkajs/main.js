// The kafkajs compatibility program: the features that all JavaScript clients share, and those of configs.
'use strict';

const { ConfigSource } = require('kafkajs');

const { ensure, refused, same } = require('../javascript/expect');
const { main } = require('../javascript/program');
const { KafkaJsDriver } = require('./driver');
const family = require('./family.json');

async function describeConfigs(driver) {
  const topic = await driver.topic('describe_configs', 1, { 'max.message.bytes': '500000' });
  const configs = await driver.configs(topic);
  const shown = name => [configs.get(name).configValue, configs.get(name).isDefault, configs.get(name).configSource];
  same(['500000', false, ConfigSource.TOPIC_CONFIG], shown('max.message.bytes'), 'max.message.bytes');
  same(['604800000', true, ConfigSource.DEFAULT_CONFIG], shown('retention.ms'), 'retention.ms');
  await refused('UNKNOWN_TOPIC_OR_PARTITION', () => driver.configs(`${topic}-missing`), 'configs of no topic');
  ensure((await driver.brokerConfigs()).length > 0, 'no broker configs');
}

/** The old call, which replaces everything that was set before. */
async function alterConfigs(driver) {
  const topic = await driver.topic('alter_configs');
  const shows = async (retention, segment) => {
    const configs = await driver.configs(topic);
    const values = ['retention.ms', 'segment.bytes'].map(name => configs.get(name).configValue);
    same([retention, segment], values, 'retention.ms and segment.bytes');
  };
  const byDefault = (await driver.configs(topic)).get('segment.bytes').configValue;
  await driver.alterConfigs(topic, { 'retention.ms': '1000000' });
  await shows('1000000', byDefault);
  await driver.alterConfigs(topic, { 'segment.bytes': '10485760' });
  await shows('604800000', '10485760');
  await refused('INVALID_CONFIG', () => driver.alterConfigs(topic, { 'retention.ms': 'soon' }), 'retention.ms=soon');
}

main(family, () => new KafkaJsDriver(), [['describe_configs', describeConfigs], ['alter_configs', alterConfigs]]);
