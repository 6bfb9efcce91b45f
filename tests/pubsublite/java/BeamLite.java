import com.google.cloud.pubsublite.CloudZone;
import com.google.cloud.pubsublite.ProjectNumber;
import com.google.cloud.pubsublite.SubscriptionName;
import com.google.cloud.pubsublite.SubscriptionPath;
import com.google.cloud.pubsublite.TopicName;
import com.google.cloud.pubsublite.TopicPath;
import com.google.cloud.pubsublite.proto.PubSubMessage;
import com.google.cloud.pubsublite.proto.SequencedMessage;
import com.google.protobuf.ByteString;
import java.util.List;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.beam.sdk.Pipeline;
import org.apache.beam.sdk.extensions.protobuf.ProtoCoder;
import org.apache.beam.sdk.io.gcp.pubsublite.PublisherOptions;
import org.apache.beam.sdk.io.gcp.pubsublite.PubsubLiteIO;
import org.apache.beam.sdk.io.gcp.pubsublite.SubscriberOptions;
import org.apache.beam.sdk.options.PipelineOptionsFactory;
import org.apache.beam.sdk.transforms.Create;
import org.apache.beam.sdk.transforms.DoFn;
import org.apache.beam.sdk.transforms.ParDo;

/**
 * Writes 300 messages to a Lite topic by one Beam pipeline and reads them back by another.
 *
 * <p>Arguments: the project's number, a zone, a topic and a subscription.
 */
public class BeamLite {
  private static final int COUNT = 300;
  // The DirectRunner runs in this process, so the reading pipeline can count here.
  private static final ConcurrentSkipListSet<Integer> VALUES = new ConcurrentSkipListSet<>();
  private static final AtomicInteger MESSAGES = new AtomicInteger();
  private static final CountDownLatch ALL = new CountDownLatch(1);

  public static void main(String[] arguments) throws Exception {
    ProjectNumber project = ProjectNumber.of(Long.parseLong(arguments[0]));
    CloudZone zone = CloudZone.parse(arguments[1]);
    write(
        TopicPath.newBuilder()
            .setProject(project)
            .setLocation(zone)
            .setName(TopicName.of(arguments[2]))
            .build());
    read(
        SubscriptionPath.newBuilder()
            .setProject(project)
            .setLocation(zone)
            .setName(SubscriptionName.of(arguments[3]))
            .build());
    System.exit(0); // A pipeline that reads a subscription has no end.
  }

  private static void write(TopicPath topic) {
    List<Integer> numbers = IntStream.range(0, COUNT).boxed().collect(Collectors.toList());
    Pipeline pipeline = Pipeline.create();
    pipeline
        .apply(Create.of(numbers))
        .apply(ParDo.of(new Made()))
        .setCoder(ProtoCoder.of(PubSubMessage.class))
        .apply(PubsubLiteIO.write(PublisherOptions.newBuilder().setTopicPath(topic).build()));
    System.out.println("writing: " + pipeline.run().waitUntilFinish());
  }

  private static void read(SubscriptionPath subscription) throws Exception {
    Pipeline pipeline = Pipeline.create(PipelineOptionsFactory.fromArgs("--blockOnRun=false").create());
    pipeline
        .apply(PubsubLiteIO.read(SubscriberOptions.newBuilder().setSubscriptionPath(subscription).build()))
        .apply(ParDo.of(new Counted()));
    pipeline.run();
    ALL.await(120, TimeUnit.SECONDS);
    System.out.println(
        "read " + MESSAGES + ", " + VALUES.size() + " from " + VALUES.first() + " to " + VALUES.last());
  }

  private static class Made extends DoFn<Integer, PubSubMessage> {
    @ProcessElement
    public void process(@Element Integer number, OutputReceiver<PubSubMessage> output) {
      output.output(
          PubSubMessage.newBuilder()
              .setKey(ByteString.copyFromUtf8("key-" + number % 7))
              .setData(ByteString.copyFromUtf8(number.toString()))
              .build());
    }
  }

  private static class Counted extends DoFn<SequencedMessage, Void> {
    @ProcessElement
    public void process(@Element SequencedMessage one) {
      int value = Integer.parseInt(one.getMessage().getData().toStringUtf8());
      if (!one.getMessage().getKey().toStringUtf8().equals("key-" + value % 7)) {
        throw new IllegalStateException("value " + value + " under another key");
      }
      VALUES.add(value);
      if (MESSAGES.incrementAndGet() == COUNT) {
        ALL.countDown();
      }
    }
  }
}
