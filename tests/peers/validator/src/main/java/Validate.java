import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/**
 * Validates a resource a line: for each issue a line with severity, id, place and text between
 * tabs, then an empty line. Nothing is fetched: it knows R4's own definitions and no others.
 */
public class Validate {
  public static void main(String[] arguments) throws Exception {
    FhirContext context = FhirContext.forR4();
    ValidationSupportChain support =
        new ValidationSupportChain(
            new DefaultProfileValidationSupport(context),
            new CommonCodeSystemsTerminologyService(context),
            new InMemoryTerminologyServerValidationSupport(context));
    FhirInstanceValidator instances = new FhirInstanceValidator(support);
    instances.setAnyExtensionsAllowed(true);
    instances.setErrorForUnknownProfiles(false);
    instances.setNoTerminologyChecks(false);
    FhirValidator validator = context.newValidator();
    validator.registerValidatorModule(instances);
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      try {
        for (SingleValidationMessage issue : validator.validateWithResult(line).getMessages()) {
          out.println(
              String.join(
                  "\t",
                  String.valueOf(issue.getSeverity()),
                  plain(issue.getMessageId()),
                  plain(issue.getLocationString()),
                  plain(issue.getMessage())));
        }
      } catch (RuntimeException | StackOverflowError failure) {
        out.println(String.join("\t", "FAILED", "", "", plain(String.valueOf(failure))));
      }
      out.println();
      out.flush();
    }
  }

  private static String plain(String text) {
    return text == null ? "" : text.replaceAll("\\s+", " ");
  }
}
