"""The page of `gan_jax.explore`, on Gradio."""
