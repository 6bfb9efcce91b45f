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
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.beam.sdk.Pipeline;
import org.apache.beam.sdk.PipelineResult;
import org.apache.beam.sdk.extensions.protobuf.ProtoCoder;
import org.apache.beam.sdk.io.gcp.pubsublite.PublisherOptions;
import org.apache.beam.sdk.io.gcp.pubsublite.PubsubLiteIO;
import org.apache.beam.sdk.io.gcp.pubsublite.SubscriberOptions;
import org.apache.beam.sdk.options.PipelineOptionsFactory;
import org.apache.beam.sdk.transforms.Create;
import org.apache.beam.sdk.transforms.DoFn;
import org.apache.beam.sdk.transforms.ParDo;
import org.joda.time.Duration;

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
  private static final long SECONDS = 120;

  public static void main(String[] arguments) {
    // A pipeline that reads a subscription has no end, and its threads outlive a failure.
    int status = 1;
    try {
      run(arguments);
      status = 0;
    } catch (RuntimeException error) {
      error.printStackTrace();
    }
    System.exit(status);
  }

  private static void run(String[] arguments) {
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

  private static void read(SubscriptionPath subscription) {
    Pipeline pipeline = Pipeline.create(PipelineOptionsFactory.fromArgs("--blockOnRun=false").create());
    pipeline
        .apply(PubsubLiteIO.read(SubscriberOptions.newBuilder().setSubscriptionPath(subscription).build()))
        .apply(ParDo.of(new Counted()));
    PipelineResult result = pipeline.run();
    long end = System.nanoTime() + SECONDS * 1_000_000_000L;
    while (MESSAGES.get() < COUNT && System.nanoTime() < end) {
      result.waitUntilFinish(Duration.millis(200)); // throws what a function threw
    }
    System.out.println("read " + MESSAGES + ", " + VALUES.size() + " of them distinct");
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
      MESSAGES.incrementAndGet();
    }
  }
}
