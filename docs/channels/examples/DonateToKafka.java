import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Publishes one donation with Apache Kafka's own client (org.apache.kafka:kafka-clients).
 *
 * <p>KAFKA_*, SHANLIU_TOPIC: what `shanliu channel-access` has shown.
 *
 * <p>usage: java -cp 'jars/*' DonateToKafka.java TRANSACTION_ID CAMPAIGN_ID AMOUNT_FEN OCCURRED_AT
 */
public final class DonateToKafka {

  public static void main(String[] arguments) throws Exception {
    String transactionId = arguments[0];
    String campaignId = arguments[1];
    long amountFen = Long.parseLong(arguments[2]); // fen, never yuan with a point
    // when the donor paid, as 2027-01-01T20:15:00+08:00; the same when it is published again
    String occurredAt = arguments[3];

    String donation =
        """
        {"transaction_id": "%s", "campaign_id": "%s", "amount_fen": %d, "currency": "CNY",
         "occurred_at": "%s", "donor": {"kind": "person", "display": "name", "name": "王小明"}}
        """
            .formatted(transactionId, campaignId, amountFen, occurredAt);

    try (var producer = new KafkaProducer<>(settings(), new StringSerializer(), new StringSerializer())) {
      var record = new ProducerRecord<>(System.getenv("SHANLIU_TOPIC"), transactionId, donation);
      // get() throws when the broker did not take it: publish the same again.
      RecordMetadata placed = producer.send(record).get(60, TimeUnit.SECONDS);
      System.out.println(placed.topic() + "/" + placed.partition() + ":" + placed.offset());
    }
  }

  private static Map<String, Object> settings() {
    return Map.of(
        "bootstrap.servers", System.getenv("KAFKA_BOOTSTRAP_SERVERS"),
        "security.protocol", System.getenv("KAFKA_SECURITY_PROTOCOL"),
        "sasl.mechanism", System.getenv("KAFKA_SASL_MECHANISM"),
        "sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"%s\" password=\"%s\";"
                .formatted(System.getenv("KAFKA_SASL_USERNAME"), System.getenv("KAFKA_SASL_PASSWORD")),
        "acks", "all",
        "enable.idempotence", true,
        "delivery.timeout.ms", 30_000,
        "request.timeout.ms", 10_000);
  }
}
