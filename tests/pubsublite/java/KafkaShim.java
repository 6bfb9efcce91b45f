import com.google.cloud.pubsublite.CloudZone;
import com.google.cloud.pubsublite.ProjectNumber;
import com.google.cloud.pubsublite.SubscriptionName;
import com.google.cloud.pubsublite.SubscriptionPath;
import com.google.cloud.pubsublite.TopicName;
import com.google.cloud.pubsublite.TopicPath;
import com.google.cloud.pubsublite.cloudpubsub.FlowControlSettings;
import com.google.cloud.pubsublite.kafka.ConsumerSettings;
import com.google.cloud.pubsublite.kafka.ProducerSettings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * Writes 300 records to a Lite topic by Kafka's Producer and reads them back by its Consumer.
 *
 * <p>Arguments: the project's number, a zone, a topic and a subscription.
 */
public class KafkaShim {
  private static final int COUNT = 300;

  public static void main(String[] arguments) throws Exception {
    ProjectNumber project = ProjectNumber.of(Long.parseLong(arguments[0]));
    CloudZone zone = CloudZone.parse(arguments[1]);
    TopicPath topic =
        TopicPath.newBuilder()
            .setProject(project)
            .setLocation(zone)
            .setName(TopicName.of(arguments[2]))
            .build();
    SubscriptionPath subscription =
        SubscriptionPath.newBuilder()
            .setProject(project)
            .setLocation(zone)
            .setName(SubscriptionName.of(arguments[3]))
            .build();
    write(topic);
    read(topic, subscription);
  }

  private static void write(TopicPath topic) throws Exception {
    try (Producer<byte[], byte[]> producer =
        ProducerSettings.newBuilder().setTopicPath(topic).build().instantiate()) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (int i = 0; i < COUNT; i++) {
        byte[] value = Integer.toString(i).getBytes();
        sent.add(producer.send(new ProducerRecord<>(topic.toString(), ("key-" + i % 7).getBytes(), value)));
      }
      for (Future<RecordMetadata> one : sent) {
        one.get();
      }
      System.out.println("wrote " + sent.size());
    }
  }

  private static void read(TopicPath topic, SubscriptionPath subscription) throws Exception {
    ConsumerSettings settings =
        ConsumerSettings.newBuilder()
            .setSubscriptionPath(subscription)
            .setPerPartitionFlowControlSettings(
                FlowControlSettings.builder().setBytesOutstanding(10L << 20).setMessagesOutstanding(1000L).build())
            .setAutocommit(false)
            .build();
    TreeSet<Integer> values = new TreeSet<>();
    int records = 0;
    try (Consumer<byte[], byte[]> consumer = settings.instantiate()) {
      consumer.subscribe(List.of(topic.toString()));
      while (values.size() < COUNT) {
        for (ConsumerRecord<byte[], byte[]> one : consumer.poll(Duration.ofSeconds(1))) {
          records++;
          int value = Integer.parseInt(new String(one.value()));
          if (!new String(one.key()).equals("key-" + value % 7)) {
            throw new IllegalStateException("value " + value + " under key " + new String(one.key()));
          }
          values.add(value);
        }
      }
      consumer.commitSync();
    }
    System.out.println("read " + records + ", from " + values.first() + " to " + values.last());
  }
}
