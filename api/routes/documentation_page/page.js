// Shows this service's OpenAPI document in Swagger UI.
const ui = SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#documentation",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  presets: [SwaggerUIBundle.presets.apis],
  // The default validator is an Internet service, which would receive the document's address.
  validatorUrl: null,
});
